// The page's title, from its heading: Gradio gives every page the same one.
new MutationObserver((_, observer) => {
  const heading = document.getElementById("tw-title");
  if (!heading) return;
  document.title = `${heading.textContent} · tuneworthy`;
  observer.disconnect();
}).observe(document.documentElement, { childList: true, subtree: true });

// The skip link: Gradio's <base> would lead "#tw-title" to the first page.
document.addEventListener("click", (event) => {
  if (!(event.target instanceof Element) || !event.target.closest(".tw-skip")) return;
  event.preventDefault();
  document.getElementById("tw-title")?.focus();
});

// Keys of the label review: each clicks the button of the same name, while the switch on the page is on and
// nobody is writing.
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  const at = event.target;
  const writes = at instanceof HTMLElement && (at.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(at.tagName));
  if (writes && at.type !== "checkbox") return;
  const on = document.querySelector("#keys-on input[type=checkbox]");
  if (!on || !on.checked) return;
  const key = event.key.toLowerCase();
  if (key === "c") {
    const box = document.querySelector("#change-to input");
    if (box) { event.preventDefault(); box.focus(); }
    return;
  }
  const names = { a: "accept", k: "keep", d: "delete", s: "skip", p: "previous" };
  const button = names[key] && document.getElementById(names[key]);
  if (button && !button.disabled) { event.preventDefault(); button.click(); }
});

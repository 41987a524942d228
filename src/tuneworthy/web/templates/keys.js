// Keys of the label review: each clicks the button of the same name, while the switch on the page is on and
// nobody is writing.
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  const at = event.target;
  if (at instanceof HTMLElement && (at.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(at.tagName)) && at.type !== "checkbox") return;
  const on = document.querySelector("#keys-on input[type=checkbox]");
  if (!on || !on.checked) return;
  const names = { a: "accept", k: "keep", d: "delete", s: "skip", p: "previous" };
  const key = event.key.toLowerCase();
  if (key === "c") {
    const box = document.querySelector("#change-to input, #change-to textarea");
    if (box) { event.preventDefault(); box.focus(); }
    return;
  }
  const button = names[key] && document.getElementById(names[key]);
  if (button && !button.disabled) { event.preventDefault(); button.click(); }
});

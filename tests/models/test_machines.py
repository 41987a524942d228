"""The price file says what is so: a card holds no more than torch finds on it, an offer names its card."""

import pytest

from tuneworthy.models.machines import Card, read_market

# The least GiB of "total capacity" that public logs of torch's out-of-memory errors have of the card; the
# A100 and the H100 of 80 GB are alike.
REPORTED = {
    "T4": 14.56,
    "L4": 22.03,
    "A10": 21.99,
    "RTX 3060": 11.63,
    "RTX 3090": 23.56,
    "RTX 4060 Ti 16GB": 15.55,
    "RTX 4080": 15.57,
    "RTX 4090": 23.52,
    "RTX 5090": 31.36,
    "RTX A6000": 47.40,
    "L40S": 44.34,
    "A100 40GB": 39.38,
    "A100 80GB": 79.14,
    "A100 80GB PCIe": 79.14,
    "RTX PRO 6000": 94.96,
    "H100 PCIe": 79.14,
    "H100 SXM": 79.14,
    "H100 NVL": 93.00,
    "H200": 139.72,
}


@pytest.mark.parametrize("card", read_market().cards, ids=lambda card: card.name)
def test_a_card_holds_what_torch_reports_and_no_more(card: Card) -> None:
    assert REPORTED[card.name] - 0.1 < card.memory_gib <= REPORTED[card.name]


def test_no_card_and_no_offer_occurs_twice() -> None:
    market = read_market()
    for names in ([card.name for card in market.cards], [offer.name for offer in market.offers]):
        assert len(set(names)) == len(names)


@pytest.mark.parametrize("name", ["A100 80GB", "NVIDIA A100 80GB PCIe"])
def test_the_two_cards_of_80_gb_are_told_apart(name: str) -> None:
    assert read_market().card(name).bandwidth == (1935 if name.endswith("PCIe") else 2039)


def test_the_machine_of_azure_has_the_card_that_azure_puts_there() -> None:
    [offer] = [offer for offer in read_market().offers if "NC24ads_A100" in offer.name]
    assert offer.card == "A100 80GB PCIe"

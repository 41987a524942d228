"""Which code a unit's address covers."""

from tuneworthy.units.implementation import imported, modules_of


def test_the_engine_and_the_models_that_a_method_imports_are_covered():
    found = modules_of("lora", "text-classification", "accuracy")
    assert {"tuneworthy.engine.training", "tuneworthy.models.decoder"} <= set(found)


def test_what_is_imported_inside_a_function_is_covered():
    assert "tuneworthy.models.quiet" in imported("tuneworthy.models.fetch")


def test_another_method_is_not_covered_so_that_its_change_redoes_nothing():
    found = modules_of("probe", "text-classification", "accuracy")
    assert not [module for module in found if module.endswith((".lora", ".tfidf", ".tfidf_one_vs_rest"))]
    assert "tuneworthy.methods._linear" in found


def test_another_metric_than_the_deciding_one_is_not_covered():
    found = modules_of("tfidf", "text-classification", "accuracy")
    assert "tuneworthy.metrics.macro_f1" not in found

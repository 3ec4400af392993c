"""Finds what a name left of an operator stands for: an attribute, a metafield, a stage of a lifecycle model."""

from __future__ import annotations

from typing import Final

from plugin.domain.rules.attributes import ATTRIBUTES, FUNCTIONS, Attribute, AttributeType
from plugin.domain.rules.errors import Kind, Report, listing, quoted
from plugin.domain.rules.names import Lookup, Names, canonical_path, find_metafield
from plugin.domain.rules.raw import Subject
from plugin.domain.rules.suggest import attribute_suggestions, value_suggestions
from plugin.domain.rules.types import (
    Slot,
    anniversary_slot,
    attribute_slot,
    metafield_slot,
    undefined_metafield_slot,
)

_STARTS_OF_A_CONDITION: Final = ("attribute", "function", "(", "NOT")


class Resolver:
    def __init__(self, report: Report, names: Names, own_model: str | None) -> None:
        self._report = report
        self._names = names
        self._own_model = own_model

    def slot(self, subject: Subject) -> Slot | None:
        """None when an error was reported."""
        if subject.name == "anniversary":
            return self._anniversary(subject)
        attribute = ATTRIBUTES.get(subject.name)
        if attribute is None:
            return self._metafield(subject)
        if not attribute.portable:
            self._report.not_portable(subject.span, f"Shopify does not know {attribute.name}.")
        return (
            self._stage(attribute, subject)
            if attribute.takes_model
            else attribute_slot(attribute, None, attribute.values)
        )

    def _stage(self, attribute: Attribute, subject: Subject) -> Slot | None:
        models, key = self._names.models, subject.argument
        if models and key is not None and key not in models:
            self._report.error(
                Kind.UNKNOWN_VALUE,
                subject.argument_span,
                f"there is no lifecycle model '{quoted(key)}'.",
                expected=tuple(f"'{known}'" for known in models),
                suggestions=value_suggestions(key, models),
            )
            return None
        model = key if key is not None else self._names.primary_model
        if attribute.name == "lifecycle_stage" and self._own_model is not None and model == self._own_model:
            says = f"a stage of the model '{quoted(model)}' cannot depend on the stage that this model decides."
            hint = "previous_stage and days_in_stage are allowed: they tell the state before."
            self._report.error(Kind.CYCLIC_REFERENCE, subject.span, says, hint=hint)
            return None
        stages = models.get(model, ()) if attribute.type is AttributeType.ENUM else ()
        return attribute_slot(attribute, key, stages)

    def _metafield(self, subject: Subject) -> Slot | None:
        found = find_metafield(self._names, subject.name) if subject.argument is None else Lookup.UNKNOWN
        if isinstance(found, tuple) and len(found) == 1:
            return metafield_slot(found[0])
        if isinstance(found, tuple):
            fitting = tuple(definition.name for definition in found)
            says = f"{quoted(subject.name)} may mean {listing(fitting)}."
            self._report.error(Kind.AMBIGUOUS_ATTRIBUTE, subject.span, says, expected=fitting, suggestions=fitting[:3])
            return None
        if found is Lookup.UNDEFINED and self._names.assume_metafields:
            self._assume(subject)
            return undefined_metafield_slot(canonical_path(subject.name))
        self._unknown(subject)
        return None

    def _assume(self, subject: Subject) -> None:
        says = f"{quoted(subject.name)} has no metafield definition yet, so it is missing for every customer."
        self._report.warning(Kind.NOT_PORTABLE, subject.span, says)

    def _unknown(self, subject: Subject) -> None:
        metafields = (definition.name for definition in self._names.metafields.values())
        suggestions = attribute_suggestions(subject.name, (*ATTRIBUTES, *FUNCTIONS, *metafields))
        self._report.error(
            Kind.UNKNOWN_ATTRIBUTE,
            subject.span,
            f'there is no attribute "{quoted(subject.name)}".',
            expected=_STARTS_OF_A_CONDITION,
            suggestions=suggestions,
        )

    def _anniversary(self, subject: Subject) -> Slot | None:
        path = subject.argument or ""
        found = find_metafield(self._names, path)
        if isinstance(found, tuple) and len(found) == 1:
            definition = found[0]
            if definition.type is AttributeType.DATE and not definition.is_list:
                return anniversary_slot(definition.name)
            says = f"anniversary needs a metafield with dates; '{quoted(path)}' is not one."
            self._report.error(Kind.TYPE_MISMATCH, subject.argument_span, says)
        elif isinstance(found, tuple):
            fitting = tuple(definition.name for definition in found)
            says = f"'{quoted(path)}' may mean {listing(fitting)}."
            self._report.error(Kind.AMBIGUOUS_ATTRIBUTE, subject.argument_span, says, expected=fitting)
        elif self._names.assume_metafields:
            says = f"'{quoted(path)}' has no metafield definition yet, so it is missing for every customer."
            self._report.warning(Kind.NOT_PORTABLE, subject.argument_span, says)
            return anniversary_slot(path)
        else:
            says = f"there is no metafield '{quoted(path)}'."
            self._report.error(Kind.UNKNOWN_ATTRIBUTE, subject.argument_span, says)
        return None

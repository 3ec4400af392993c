"""Parsed, measured and validated documents, kept by their text."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from graphql import (
    DocumentNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLField,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    OperationDefinitionNode,
    parse,
    validate,
)

from graphql_schema.limits import LIMITS, DocumentLimitError, Limits, check_limits
from graphql_schema.trusted import Trusted, document_id

_KEPT: Final = 512
_MOST_ERRORS: Final = 10  # of one document: each costs time and bytes


@dataclass(frozen=True, slots=True)
class Checked:
    """A valid document. `fragments` by name, `operations` by name (None: the anonymous one). `prepared`: what the
    engine keeps of operations as long as the document is kept."""

    document: DocumentNode
    operations: Mapping[str | None, OperationDefinitionNode]
    fragments: Mapping[str, FragmentDefinitionNode]
    prepared: OrderedDict[str | None, Any] = field(default_factory=OrderedDict, compare=False, repr=False)

    def operation(self, name: str | None) -> OperationDefinitionNode:
        """The operation to run. Raises GraphQLError when `name` does not choose exactly one."""
        if name is not None:
            if name not in self.operations:
                raise GraphQLError(f"The document has no operation named {name[:80]!r}.")
            return self.operations[name]
        if len(self.operations) != 1:
            raise GraphQLError("The document has several operations: name the one to run in `operationName`.")
        return next(iter(self.operations.values()))


class InvalidDocumentError(Exception):
    """`errors` are those of parsing, of the limits or of validation."""

    def __init__(self, errors: list[GraphQLError], code: str) -> None:
        super().__init__(code)
        self.errors, self.code = errors, code


@dataclass(slots=True)
class Documents:
    """The documents of one schema. `hide_suggestions`: error messages do not name other fields. `trusted`: those that
    are known by an id, and whether there may be others."""

    schema: GraphQLSchema
    hide_suggestions: bool = False
    limits: Limits = LIMITS
    trusted: Trusted = field(default_factory=Trusted)
    _kept: OrderedDict[str, Checked] = field(default_factory=OrderedDict)

    def asked(self, text: str, identifier: str | None) -> Checked:
        """The document that a caller sent the text or the id of. Raises InvalidDocumentError."""
        if identifier is not None:
            known = self.trusted.texts.get(identifier)
            if known is None:
                message = "No document is registered under this documentId; `rebloom documents` lists those that are."
                raise InvalidDocumentError([GraphQLError(message)], "DOCUMENT_NOT_FOUND")
            return self.checked(known)
        if self.trusted.alone and document_id(text) not in self.trusted.texts:
            message = "Only registered documents may be asked for here: send the `documentId` of one."
            raise InvalidDocumentError([GraphQLError(message)], "DOCUMENT_NOT_TRUSTED")
        return self.checked(text)

    def checked(self, text: str) -> Checked:
        """The document of `text`. Raises InvalidDocumentError; a document over a limit is refused before validation."""
        kept = self._kept.get(text)
        if kept is not None:
            self._kept.move_to_end(text)
            return kept
        checked = self._check(text)
        self._kept[text] = checked
        if len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return checked

    def _check(self, text: str) -> Checked:
        try:
            document = parsed(text, self.limits)
            check_limits(document, self.limits)
        except DocumentLimitError as error:
            raise InvalidDocumentError([error], "DOCUMENT_LIMIT") from None
        except GraphQLError as error:
            raise InvalidDocumentError([error], "GRAPHQL_PARSE_FAILED") from None
        errors = validate(self.schema, document, max_errors=_MOST_ERRORS, hide_suggestions=self.hide_suggestions)
        if errors:
            raise InvalidDocumentError(errors, "GRAPHQL_VALIDATION_FAILED")
        operations = {
            node.name.value if node.name else None: node
            for node in document.definitions
            if isinstance(node, OperationDefinitionNode)
        }
        fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
        if not operations:
            raise InvalidDocumentError([GraphQLError("The document has no operation.")], "GRAPHQL_VALIDATION_FAILED")
        return Checked(document, operations, fragments)


def parsed(text: str, limits: Limits) -> DocumentNode:
    """The syntax tree. Raises GraphQLError, DocumentLimitError for too many tokens or characters, or nesting that the
    parser cannot follow."""
    if len(text) > limits.characters:
        raise DocumentLimitError("characters", len(text), limits.characters)
    try:
        return parse(text, max_lexical_tokens=limits.tokens, max_comments=limits.tokens)
    except GraphQLError as error:
        # The library tells its own limits from other mistakes only by their words; a test holds it to them.
        if "Parsing aborted" in error.message:
            is_deep = "too deeply" in error.message
            what, most = ("levels", limits.depth) if is_deep else ("tokens", limits.tokens)
            raise DocumentLimitError(what, None, most) from None
        raise


def root_type(schema: GraphQLSchema, operation: OperationDefinitionNode) -> GraphQLObjectType:
    """Raises GraphQLError when the schema has no such root."""
    root = schema.get_root_type(operation.operation)
    if root is None:
        raise GraphQLError(f"This schema has no {operation.operation.value}.")
    return root


def directives_of(element: GraphQLNamedType | GraphQLField) -> tuple[object, ...]:
    """The Strawberry directives of a type or field of a built schema."""
    definition = (element.extensions or {}).get("strawberry-definition")
    return tuple(getattr(definition, "directives", None) or ())

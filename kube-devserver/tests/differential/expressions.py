"""Expressions, and what is defined with rules: what both servers are asked about the language of rules."""

from __future__ import annotations

from typing import Any

RULES = "x-kubernetes-validations"
TEXT: dict[str, Any] = {"type": "string"}
SHORT: dict[str, Any] = {"type": "string", "maxLength": 5}
# what an expression may speak of, as `self`
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "s": {"type": "string", "maxLength": 20}, "n": {"type": "integer"}, "d": {"type": "number"}, "b": {"type": "boolean"},
        "l": {"type": "array", "maxItems": 5, "items": {"type": "string", "maxLength": 10}},
        "li": {"type": "array", "maxItems": 5, "items": {"type": "integer"}},
        "m": {"type": "object", "maxProperties": 5, "additionalProperties": {"type": "integer"}},
        "p": {"x-kubernetes-int-or-string": True}, "t": TEXT | {"format": "date-time"}, "du": TEXT | {"format": "duration"},
        "by": TEXT | {"format": "byte"}, "dt": TEXT | {"format": "date"}, "nu": SHORT | {"nullable": True}, "in": SHORT,
        "set": {"type": "array", "maxItems": 5, "x-kubernetes-list-type": "set", "items": SHORT}, "a-b": {"type": "integer"},
        "ml": {"type": "array", "maxItems": 5, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"],
               "items": {"type": "object", "required": ["k"], "properties": {"k": SHORT, "v": {"type": "integer"}}}},
        "any": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
    },
}  # fmt: skip
VALUE: dict[str, Any] = {
    "s": "Hello", "n": 3, "d": 2, "l": ["b", "a", "b"], "li": [3, 1, 2], "m": {"x": 1, "y": 2}, "p": "80", "t": "2026-01-02T03:04:05.5Z",
    "du": "1h30m", "by": "aGk=", "dt": "2026-01-02", "b": True, "set": ["p", "q"], "ml": [{"k": "a", "v": 1}, {"k": "b"}], "nu": None,
    "in": "word", "a-b": 7, "any": {"z": 1},
}  # fmt: skip


def rules(*texts: str | dict[str, Any]) -> list[dict[str, Any]]:
    """Rules, from their expressions or whole."""
    return [{"rule": each} if isinstance(each, str) else each for each in texts]


DEFINITIONS: dict[str, dict[str, Any]] = {
    "nested all": {
        "type": "object",
        "properties": {"l": {"type": "array", "items": TEXT}},
        RULES: rules("self.l.all(x, self.l.exists(y, y == x))"),
    },
    "all": {
        "type": "object",
        "properties": {"l": {"type": "array", "items": TEXT}},
        RULES: rules(
            "self.l.all(x, x == 'a')",
            "self.l.all(x, x.size() > 0)",
            "self.l.all(x, x.matches('^a+$'))",
            "self.l.exists_one(x, x=='a')",
        ),
    },
    "items": {
        "type": "object",
        "properties": {
            "l": {
                "type": "array",
                "items": {
                    "type": "string",
                    RULES: rules(
                        "self == 'a'",
                        "self.contains('a')",
                        "self.matches('a.b')",
                        "self.size() > 3",
                        "self.startsWith('abc')",
                        "self + 'a' == 'b'",
                        "self.lowerAscii() == self",
                    ),
                },
            }
        },
    },
    "bounded": {
        "type": "object",
        "properties": {"l": {"type": "array", "maxItems": 1000, "items": TEXT | {"maxLength": 4}}},
        RULES: rules(
            "self.l.all(x, self.l.exists(y, y == x))",
            "self.l.all(x, self.l.all(z, self.l.exists(y, y == x)))",
            "self.l.map(x, x + 'a').all(x, x.contains('b'))",
            "self.l.filter(x, x == 'a').map(x, x.size()).sum() > 3",
            "self.l.join(',').size() > 3",
            "self.l.map(x, self.l.map(y, x+y)).flatten().size() > 3",
            "self.l.distinct().size() == self.l.size()",
            "self.l.sort() == self.l",
            "self.l.sortBy(x, x.size()) == self.l",
            "sets.contains(self.l, ['a'])",
            "sets.equivalent(self.l, self.l)",
            "self.l.isSorted()",
            "self.l.indexOf('a') == 1",
            "self.l.slice(0,5).size()==1",
            "'a' in self.l",
            "self.l.transformList(i, v, v + 'b').all(k, v, v == 'b')",
            "self.l.reverse() == self.l",
            "self.l[0] == 'a'",
            "self.l.all(i, v, self.l.exists(j, w, v == w))",
        ),
    },
    "maps": {
        "type": "object",
        "properties": {
            "m": {
                "type": "object",
                "additionalProperties": {
                    "type": "object",
                    "properties": {"a": TEXT, "b": {"type": "integer"}},
                    RULES: rules("self.a == 'b'", "self.b > 3", "has(self.a)"),
                },
            }
        },
        RULES: rules(
            "self.m.all(k, k == 'a')",
            "self.m.all(k, v, v.a == k)",
            "self.m.map(k, self.m[k].b).sum() > 3",
            "self.m.transformMap(k, v, v.b).all(k, k == 'a')",
            "'a' in self.m",
            "self.m['a'].a == 'b'",
            "self.m.exists(k, self.m.exists(j, k == j))",
        ),
    },
    "required": {
        "type": "object",
        "properties": {
            "l": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["a", "b"],
                    "properties": {"a": TEXT, "b": {"type": "integer"}, "c": TEXT},
                    RULES: rules("self.a == 'b'", "self.a == self.c", "self.a.matches(self.c)"),
                },
            }
        },
    },
    "formats": {
        "type": "object",
        "properties": {
            "t": TEXT | {"format": "date-time"},
            "d": TEXT | {"format": "duration"},
            "y": TEXT | {"format": "byte"},
            "e": TEXT | {"enum": ["a", "bcd"]},
            "p": {"x-kubernetes-int-or-string": True},
            "q": {"x-kubernetes-int-or-string": True, "maxLength": 5},
        },
        RULES: rules(
            "self.t == timestamp('2020-01-01T00:00:00Z')",
            "self.y == b'a'",
            "self.e == 'a'",
            "self.p == self.q",
            "string(self.y) == 'a'",
            "quantity(self.e).isLessThan(quantity('1'))",
            "url(self.e).getHost() == self.e",
            "ip(self.e).family() == 4",
            "cidr(self.e).containsIP(self.e)",
            "cidr(self.e).containsCIDR(self.e)",
            "format.dns1123Label().validate(self.e).hasValue()",
            "self.e.split(',').size() == 2",
            "self.e.replace('a','bc') == self.e",
            "self.e.find('[0-9]+') == self.e",
            "self.e.findAll('[0-9]+').size() == 2",
            "'%s'.format([self.e]) == self.e",
            "strings.quote(self.e) == 'x'",
            "self.e.substring(1) == 'a'",
            "semver(self.e).major() == 1",
            "isQuantity(self.e) && isIP(self.e) && isURL(self.e) && isSemver(self.e)",
            "url(self.e) == url(self.e)",
            "ip(self.e) == ip(self.e)",
            "quantity(self.e) == quantity(self.e)",
            "optional.of(self.e).orValue('b') == 'a'",
            "self.?e.orValue('b') == 'a'",
            "[self.e, 'x'].join('y') == 'a'",
            "{'a': self.e}['a'] == 'b'",
            "{'a': self.e}.all(k, v, v == 'b')",
            "[self.e].all(x, x == 'b')",
            "bytes(self.e) == b'a'",
            "self.e < self.e",
            "type(self.e) == string",
            "dyn(self.e) == 'a'",
            "self.e == 'a' ? self.e == 'b' : self.e == 'c'",
            "self.t - self.t == duration('1s')",
            "self == self",
            "self.?e.optMap(x, x + 'a').orValue('') == 'b'",
        ),
    },
    "message": {
        "type": "object",
        "properties": {"s": TEXT},
        RULES: [
            {"rule": "self.s == 'a'", "messageExpression": "'x' + self.s"},
            {"rule": "self.s == 'a'", "messageExpression": "1"},
            {"rule": "self.s == 'a'", "messageExpression": "self.q"},
            {"rule": "self.s == 'a'", "messageExpression": " "},
            {"rule": "self.s == 'a'", "message": " "},
            {"rule": "self.s == 'a'", "message": "a\nb"},
            {"rule": "self.s ==\n 'a'"},
            {"rule": " "},
        ],
    },
    "message2": {
        "type": "object",
        "properties": {"s": TEXT},
        RULES: [
            {"rule": "self.s == 'a'", "messageExpression": "'x' + self.s"},
            {"rule": "self.s == 'a'", "messageExpression": "1"},
            {"rule": "self.s == 'a'", "messageExpression": "self.q"},
        ],
    },
    "paths": {
        "type": "object",
        "properties": {
            "s": TEXT,
            "m": {"type": "object", "additionalProperties": TEXT},
            "o": {"type": "object", "properties": {"a.b": TEXT}},
        },
        RULES: [
            {"rule": "true", "fieldPath": p}
            for p in (
                ".s",
                ".m.x",
                ".m['x y']",
                ".o['a.b']",
                ".z",
                "s",
                "",
                ".s.x",
                " ",
                ".m[x]",
                ".o.a.b",
                "['s']",
                ".s\n",
            )
        ],
    },
    "old": {
        "type": "object",
        "properties": {
            "s": {
                "type": "string",
                RULES: [
                    {"rule": "self == oldSelf"},
                    {"rule": "oldSelf.hasValue() ? self == oldSelf.value() : true", "optionalOldSelf": True},
                    {"rule": "true", "optionalOldSelf": True},
                    {"rule": "true", "optionalOldSelf": False},
                    {"rule": "oldSelf.hasValue()"},
                ],
            },
            "l": {
                "type": "array",
                "maxItems": 3,
                "items": {"type": "string", "maxLength": 3, RULES: rules("self == oldSelf")},
            },
            "k": {
                "type": "array",
                "maxItems": 3,
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["a"],
                "items": {
                    "type": "object",
                    "required": ["a"],
                    "properties": {"a": TEXT | {"maxLength": 3}},
                    RULES: rules("self == oldSelf"),
                },
            },
        },
    },
    "reasons": {
        "type": "object",
        RULES: [
            {"rule": "true", "reason": r}
            for r in (
                "FieldValueInvalid",
                "FieldValueForbidden",
                "FieldValueRequired",
                "FieldValueDuplicate",
                "Bogus",
                "",
            )
        ],
    },
    "untyped": {
        "type": "object",
        "x-kubernetes-preserve-unknown-fields": True,
        "properties": {"u": {"x-kubernetes-preserve-unknown-fields": True, RULES: rules("self == 'a'")}},
        RULES: rules("self.u == 1", "self.foo == 1"),
    },
    "emb": {
        "type": "object",
        "properties": {
            "e": {
                "type": "object",
                "x-kubernetes-embedded-resource": True,
                "x-kubernetes-preserve-unknown-fields": True,
                RULES: rules(
                    "self.metadata.name == 'a'", "self.kind == 'b'", "self.spec == 1", "self.metadata.labels == 1"
                ),
            }
        },
    },
    "total": {
        "type": "object",
        "properties": {
            f"l{i}": {
                "type": "array",
                "maxItems": 1000,
                "items": {
                    "type": "string",
                    "maxLength": 250,
                    RULES: rules(*["self.matches('^a{1,20}b*c+$')" for _ in range(3)]),
                },
            }
            for i in range(12)
        },
    },
    "ten": {"type": "object", RULES: rules("[1,2,3,4,5,6,7,8,9,10].all(a," * 7 + "true" + ")" * 7)},
}

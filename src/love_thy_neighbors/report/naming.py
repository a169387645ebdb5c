"""Names a run's settings in words, with every other setting in which it differs from runs of the same name."""

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

Config = dict[str, Any]
_NAMED = ("pool", "m", "M")  # of runs with neighbours, besides model and metadata; drop is named too
_NEVER = ("split", "measure")


def describe(config: Config) -> str:
    """A setting in words: the model and, for one with neighbours, how they are found."""
    name = str(config["model"]["name"])
    if "metadata" not in config:
        return name
    values = {**config, **config.get("neighborhoods", {})}
    chosen = [f"{key}={values[key]}" for key in (*_NAMED, "drop") if key in values]
    return ", ".join([name, " to ".join(_types(config)), *chosen])


def names(configs: Sequence[Config], planned: Iterable[Config] = ()) -> list[str]:
    """A name for each config: `describe`, and behind it ``key=value`` for every other setting in which it differs.

    It is compared with the configs of the same description and collection, and with the first ``planned`` one of the
    same collection, model and metadata, which has the usual settings.
    """
    usual: dict[str, dict[str, str]] = {}
    for config in planned:
        if "model" in config:
            usual.setdefault(_kind(config), _flat(config))
    groups: dict[str, list[dict[str, str]]] = defaultdict(list)
    for config in configs:
        groups[_group(config)].append(_flat(config))
    found = []
    for config in configs:
        flat = _flat(config)
        others = [*groups[_group(config)], *([usual[_kind(config)]] if _kind(config) in usual else [])]
        keys = dict.fromkeys(key for other in [flat, *others] for key in other)
        differ = [key for key in keys if any(_differ(flat, other, key) for other in others)]
        found.append(", ".join([describe(config), *(f"{key}={flat.get(key, 'none')}" for key in differ)]))
    return found


def _differ(one: dict[str, str], other: dict[str, str], key: str) -> bool:
    """Whether two runs differ in a setting. A callback's own settings count only if both runs have the callback."""
    if key.startswith("callbacks.") and not (key in one and key in other):
        return False
    return one.get(key) != other.get(key)


def _types(config: Config) -> list[str]:
    return list(dict.fromkeys(config[key]["type"] for key in ("metadata", "test_metadata") if key in config))


def _kind(config: Config) -> str:
    data = config["data"]
    return json.dumps([data["name"], config["model"]["name"], _types(config)])


def _group(config: Config) -> str:
    return json.dumps([config["data"]["name"], describe(config)])


def _flat(config: Config) -> dict[str, str]:
    """The values by dotted key, as text, without those that `describe` names and the device."""
    flat: dict[str, str] = {}

    def add(prefix: str, value: Any) -> None:
        if isinstance(value, dict):
            for key, inner in value.items():
                add(f"{prefix}.{key}" if prefix else str(key), inner)
        else:
            flat[prefix] = value if isinstance(value, str) else json.dumps(value)

    add("", {key: value for key, value in config.items() if key not in (*_NEVER, *_NAMED, "trainer")})
    add("trainer.precision", (config.get("trainer") or {}).get("precision", "32-true"))
    if config.get("callbacks"):
        flat["callbacks"] = ",".join(config["callbacks"])
    named = ("model.name", "metadata.type", "test_metadata.type", "neighborhoods.drop")
    return {key: value for key, value in flat.items() if key not in named and value != "null"}

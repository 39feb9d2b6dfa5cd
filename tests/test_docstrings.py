"""Every public name explains itself: a docstring that numpydoc accepts, with an example that runs as a doctest."""

import importlib
import inspect
import pkgutil

import pytest
from numpydoc.validate import validate

import skensemble

# Every check of numpydoc but these, with the reason:
LEFT_OUT = {
    "ES01",  # one sentence may be all there is to say
    "EX01",  # asked for below, of every name but not of every method
    "GL01",  # text starts behind the quotes, as PEP 257 has it and ruff checks it
    "GL02",  # a docstring that is filled in by the program has no line of its own for the closing quotes
    "RT02",  # numpydoc itself allows a single result to have a name
    "SA01",  # a "See Also" only where there is something to see
}


def public_modules():
    names = [module.name for module in pkgutil.walk_packages(skensemble.__path__, "skensemble.")]
    return ["skensemble", *(name for name in names if "._" not in name)]


def public_names():
    found = {}
    for module in map(importlib.import_module, public_modules()):
        for name in module.__all__:
            thing = getattr(module, name)
            if callable(thing):
                # Listed where it is found first, once.
                found.setdefault(id(thing), f"{module.__name__}.{name}")
    return list(found.values())


def public_methods():
    found = set()
    for path in public_names():
        module, _, name = path.rpartition(".")
        thing = getattr(importlib.import_module(module), name)
        if not inspect.isclass(thing):
            continue
        for parent in thing.__mro__:
            if parent.__module__.partition(".")[0] != "skensemble":
                continue
            for method, value in vars(parent).items():
                documented = callable(value) or isinstance(value, (property, classmethod, staticmethod))
                if not method.startswith("_") and documented and not isinstance(value, type):
                    found.add(f"{parent.__module__}.{parent.__qualname__}.{method}")
    return sorted(found)


def complaints(path):
    return [f"{code}: {text}" for code, text in validate(path)["errors"] if code not in LEFT_OUT]


def test_every_public_module_lists_its_names():
    for name in public_modules():
        module = importlib.import_module(name)
        assert module.__all__, name
        assert module.__doc__, name
        assert list(module.__all__) == sorted(module.__all__, key=_ruff_order), name
        assert all(hasattr(module, each) for each in module.__all__), name


def _ruff_order(name):
    """Constants, then classes, then the rest, as ruff sorts them."""
    return (0 if name.isupper() else 1 if name[0].isupper() else 2, name)


@pytest.mark.parametrize("path", public_names())
def test_every_public_name_explains_itself(path):
    assert complaints(path) == []
    module, _, name = path.rpartition(".")
    thing = getattr(importlib.import_module(module), name)
    if not (inspect.isclass(thing) and issubclass(thing, Exception)):
        assert "Examples\n" in inspect.getdoc(thing), f"{path} has no example"


@pytest.mark.parametrize("path", public_methods())
def test_every_public_method_explains_itself(path):
    assert complaints(path) == []

"""The project file: what is read from it, and what is said about a wrong one."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import jsonschema
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from meta_prefect.errors import ProjectFileError, ValidationFailed
from meta_prefect.project import Project, find_project_file, json_schema, read_project
from meta_prefect.project.document import parse_document

SEED = """\
deployments:
  add-two-numbers-flow:
    - recipe: local_run_deployer
      variables:
        name: local-run
        schedule:
          rrule: "FREQ=DAILY;BYDAY=MO,WE,FR,SA"
          timezone: "US/Pacific"
"""


def read(folder: Path, text: str | bytes) -> Project:
    """Write a project file and read it."""
    content = text.encode() if isinstance(text, str) else text
    (folder / "meta_prefect.yaml").write_bytes(content)
    return read_project(folder)


def test_the_smallest_project_is_read(tmp_path: Path) -> None:
    """A file with one entry gives a project with that entry, and everything else has a default."""
    project = read(tmp_path, SEED)
    (entry,) = project.entries
    assert (project.root, project.file) == (tmp_path, tmp_path / "meta_prefect.yaml")
    assert (project.recipes, project.flows) == ((), None)
    assert (entry.flow, entry.recipe) == ("add-two-numbers-flow", "local_run_deployer")
    assert entry.variables == {
        "name": "local-run",
        "schedule": {"rrule": "FREQ=DAILY;BYDAY=MO,WE,FR,SA", "timezone": "US/Pacific"},
    }
    assert (entry.entrypoint, entry.environments) == (None, None)


def test_an_entry_says_where_its_values_stand(tmp_path: Path) -> None:
    """Errors about an entry can name line, column and key; a key that is not there gives the place around it."""
    (entry,) = read(tmp_path, SEED).entries
    flow = "deployments.add-two-numbers-flow[0]"
    assert entry.where == f"meta_prefect.yaml:3:7: {flow}"
    assert entry.locate("variables", "name") == f"meta_prefect.yaml:5:9: {flow}.variables.name"
    assert entry.locate("variables", "schedule", "rrule") == f"meta_prefect.yaml:7:11: {flow}.variables.schedule.rrule"
    assert entry.locate("variables", "nmae") == f"meta_prefect.yaml:4:7: {flow}.variables.nmae"
    assert pickle.loads(pickle.dumps(entry)) == entry  # noqa: S301 - our own pickle
    assert "document" not in entry.model_dump_json()


def test_everything_that_may_stand_in_a_file_is_read(tmp_path: Path) -> None:
    """The optional keys arrive, anchors and merges work, and keys with nothing behind them count as left out."""
    project = read(
        tmp_path,
        """
        project: sales-reports
        recipes: [recipes, acme.recipes]
        flows: ["flows/**/*.py"]
        deployments:
          My Flow:
            - recipe: a
              entrypoint: flows/etl.py:etl
              environments: [prod, staging]
              variables: &common {cpu: 1, tags: [a]}
            - recipe: b
              variables: {<<: *common, cpu: 2}
              environments:
        """,
    )
    first, second = project.entries
    assert (project.name, project.name_is_stable) == ("sales-reports", True)
    assert (project.recipes, project.flows) == (("recipes", "acme.recipes"), ("flows/**/*.py",))
    assert (first.entrypoint, first.environments) == ("flows/etl.py:etl", ("prod", "staging"))
    assert second.variables == {"cpu": 2, "tags": ["a"]}
    assert [entry.counts_in("dev") for entry in project.entries] == [False, True]
    assert second.where == "meta_prefect.yaml:11:15: deployments.My Flow[1]"


@pytest.mark.parametrize(
    ("written", "former"),
    [("till", ("till",)), ("[till, bank, till]", ("till", "bank")), ("[]", ())],
    ids=["one", "several", "an empty list"],
)
def test_former_names(tmp_path: Path, written: str, former: tuple[str, ...]) -> None:
    """One name stands for a list of one, and each counts once; the present name comes first."""
    text = f"project: shop\nrenamed_from: {written}\n{SEED}"

    assert read(tmp_path, text).names == ("shop", *former)
    jsonschema.validate(parse_document("meta_prefect.yaml", text.encode()).data, json_schema())


def test_values_stay_what_json_knows(tmp_path: Path) -> None:
    """Dates and times of day stay as they are written; YAML's numbers, booleans and nothing are read as such."""
    values = "{date: 2024-01-15, at: 9:30, moment: 2024-01-15T09:30:00Z, n: 1, x: 1.5, on: yes, none: }"
    (entry,) = read(
        tmp_path, f"deployments: {{f: [{{recipe: r, variables: {values.replace('on:', 'flag:')}}}]}}"
    ).entries
    assert entry.variables == {
        "date": "2024-01-15",
        "at": "9:30",
        "moment": "2024-01-15T09:30:00Z",
        "n": 1,
        "x": 1.5,
        "flag": True,
        "none": None,
    }


FLOW = "deployments:\n  f:\n    - recipe: r\n"

WRONG = {
    "broken YAML": ("deployments:\n  f: [a,\n  g: b\n", "meta_prefect.yaml:4:1: not valid YAML: expected ',' or ']'"),
    "a tab": ("deployments:\n\tf: 1\n", "meta_prefect.yaml:2:1: not valid YAML: found character '\\t'"),
    "an unquoted colon": ("project: a: b\n", "meta_prefect.yaml:1:11: not valid YAML: mapping values are not allowed"),
    "a control character": ("a: b\nc: \x01\n", "meta_prefect.yaml:2:4: not valid YAML: special characters"),
    "not UTF-8": (b"project: \xff\n", "meta_prefect.yaml:1:10: not UTF-8 text"),
    "two documents": (
        "project: a\n---\nproject: b\n",
        "meta_prefect.yaml:2:1: not valid YAML: but found another document",
    ),
    "many brackets": ("[" * 900, "meta_prefect.yaml:1:101: nested deeper than 100 levels"),
    # Newer parsers stop at such a depth by themselves.
    "endless brackets": ("[" * 100_000, "meta_prefect.yaml:1:1"),
    "an alias that holds itself": ("deployments: &a\n  f: *a\n", "aliases (`*name`) make this file endless"),
    "aliases that multiply": (
        "a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n"
        + "".join(
            f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]\n" for old, new in zip("abcdef", "bcdefg", strict=True)
        ),
        "aliases (`*name`) make this file endless or far too large",
    ),
    "a list as a file": ("- a\n", 'meta_prefect.yaml:1:1: should be a mapping of names to values, not ["a"]'),
    "an unknown key": (
        "deploymets: {}\n",
        "meta_prefect.yaml:1:1: deploymets: unknown key 'deploymets'\n  Did you mean 'deployments'?",
    ),
    "an unknown key in an entry": (
        FLOW + "      varaibles: {}\n",
        "meta_prefect.yaml:4:7: deployments.f[0].varaibles: unknown key 'varaibles'\n  Did you mean 'variables'?",
    ),
    "an entry without recipe": (
        "deployments:\n  f:\n    - variables: {}\n",
        "meta_prefect.yaml:3:7: deployments.f[0]: the key 'recipe' is missing",
    ),
    "an empty recipe": ("deployments: {f: [{recipe: ''}]}\n", 'deployments.f[0].recipe: is empty (got "")'),
    "a number as recipe": (
        "deployments:\n  f:\n    - recipe: 3\n",
        'meta_prefect.yaml:3:7: deployments.f[0].recipe: should be text, not 3\n  Put it in quotes: "3".',
    ),
    "an entry without dash": (
        "deployments:\n  f:\n    recipe: r\n",
        'meta_prefect.yaml:2:3: deployments.f: should be a list, not {"recipe": "r"}\n  Each entry begins with a dash',
    ),
    "a recipe instead of an entry": (
        "deployments: {f: [r]}\n",
        'deployments.f[0]: should be a mapping of names to values, not "r"',
    ),
    "a flow without entries": (
        "deployments:\n  f: []\n",
        "meta_prefect.yaml:2:3: deployments.f: a flow without entries",
    ),
    "a flow with nothing": (
        "deployments:\n  f:\n",
        "meta_prefect.yaml:2:3: deployments.f: should be a list, not nothing",
    ),
    "deployments as a list": ("deployments: [f]\n", 'deployments: should be a mapping of names to values, not ["f"]'),
    "variables as a list": (FLOW + "      variables: [a]\n", "deployments.f[0].variables: should be a mapping"),
    "environments as text": (FLOW + "      environments: prod\n", 'should be a list, not "prod"\n  Write [prod].'),
    "a file as recipes module": (
        FLOW + "recipes: [./my/recipes.py]\n",
        "recipes[0]: should be a module's name, not a file (got",
    ),
    "no module's name": (
        FLOW + "recipes: [my-recipes]\n",
        "meta_prefect.yaml:4:11: recipes[0]: should be a module's name",
    ),
    "a project's name with a space": (
        FLOW + "project: My Project\n",
        "meta_prefect.yaml:4:1: project: should be lower-case letters",
    ),
    "a number as project": (FLOW + "project: 2024\n", 'project: should be text, not 2024\n  Put it in quotes: "2024".'),
    "a former name with a space": (
        FLOW + "project: shop\nrenamed_from: My Till\n",
        'meta_prefect.yaml:5:1: renamed_from: should be lower-case letters, digits and single hyphens (got "My Till")\n'
        "  Write 'my-till'.",
    ),
    "a wrong name among former names": (
        FLOW + "project: shop\nrenamed_from: [till, 7]\n",
        "meta_prefect.yaml:5:22: renamed_from[1]: should be text, not 7",
    ),
    "a number as former name": (FLOW + "project: shop\nrenamed_from: 7\n", "renamed_from: should be a list, not 7"),
    "the present name as a former one": (
        FLOW + "project: shop\nrenamed_from: [till, shop]\n",
        "meta_prefect.yaml:5:1: renamed_from: 'shop' is the project's present name\n  Give the name that it had before",
    ),
    "a former name of a project without a name of its own": (
        FLOW + "renamed_from: till\n",
        "meta_prefect.yaml:4:1: renamed_from: the project is named",
    ),
    "one key twice": (
        FLOW + "      recipe: s\n",
        "meta_prefect.yaml:4:7: deployments.f[0].recipe: this key stands here twice, first in line 3",
    ),
    "one flow twice": (
        FLOW + "  f: [{recipe: s}]\n",
        "meta_prefect.yaml:4:3: deployments.f: this key stands here twice",
    ),
    "a number as flow": (
        "deployments:\n  2024: [{recipe: r}]\n",
        "meta_prefect.yaml:2:3: deployments: the key '2024' is read as a number",
    ),
    "a boolean as key": (
        FLOW + "      variables: {on: 1}\n",
        "the key 'on' is read as a boolean, not as text\n  Put it in quotes: \"on\".",
    ),
    "a list as key": ("? [a]\n: b\n", "a key must be text"),
    "infinity": (
        FLOW + "      variables: {x: .inf}\n",
        "meta_prefect.yaml:4:19: deployments.f[0].variables.x: '.inf' cannot be stored",
    ),
    "Norway": (
        FLOW + "      variables: {holidays: NO}\n",
        "meta_prefect.yaml:4:19: deployments.f[0].variables.holidays: YAML reads NO as false\n  Write 'NO' in quotes",
    ),
    "a Python object": (FLOW + "      variables: {x: !!python/name:os.system }\n", "is not supported"),
    "a set": (
        FLOW + "      variables: {x: !!set {a}}\n",
        "deployments.f[0].variables.x: the tag 'tag:yaml.org,2002:set' is not supported",
    ),
    "a merge of text": (FLOW + "      variables: {<<: a}\n", "`<<` merges mappings only"),
    "a number too long": (FLOW + f"      variables: {{x: {'1' * 5000}}}\n", "cannot be read as a number"),
    "one word for two environments": (
        FLOW + "environments: {prod: {called: live}, demo: {called: live}}\n",
        "environments: 'live' would mean both 'prod' and 'demo'",
    ),
    "the word of another environment": (
        FLOW + "environments: {prod: {called: dev}, dev: {}}\n",
        "environments: 'dev' would mean both 'prod' and 'dev'",
    ),
    "an unknown key of an environment": (
        FLOW + "environments: {prod: {caled: live}}\n",
        "environments.prod.caled: unknown key 'caled'\n  Did you mean 'called'",
    ),
    "an empty file": ("", "meta_prefect.yaml:1:1: the project file holds nothing"),
    "comments only": ("# soon\n", "the project file holds nothing"),
    "no deployments": ("project: a\n", "the project file holds no deployments"),
}


@pytest.mark.parametrize(("text", "message"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_file_is_explained(tmp_path: Path, text: str | bytes, message: str) -> None:
    """Each mistake gives one error that says where it is and what is wrong with it."""
    with pytest.raises(ValidationFailed) as failed:
        read(tmp_path, text)
    shown = [str(error) for error in failed.value.errors if message in str(error)]
    assert len(shown) == 1, str(failed.value)
    assert all(isinstance(error, ProjectFileError) for error in failed.value.errors)


def test_all_mistakes_are_named_at_once(tmp_path: Path) -> None:
    """Whoever mends a file does not have to find one mistake after the other."""
    with pytest.raises(ValidationFailed) as failed:
        read(tmp_path, "projct: a\nrecipes: [1]\ndeployments:\n  f:\n    - recipe: 1\n      recipe: 2\n  g: [{}]\n")
    places = [error.where for error in failed.value.errors]
    assert places == [
        "meta_prefect.yaml:6:7: deployments.f[0].recipe",
        "meta_prefect.yaml:1:1: projct",
        "meta_prefect.yaml:2:11: recipes[0]",
        "meta_prefect.yaml:5:7: deployments.f[0].recipe",
        "meta_prefect.yaml:7:7: deployments.g[0]",
    ]


TEXT = st.text(st.characters(categories=["L", "N", "P", "S", "Zs"]))
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda values: st.lists(values, max_size=4) | st.dictionaries(TEXT, values, max_size=4),
    max_leaves=12,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(JSON_VALUES)
@example(1e-05)
@example(-1e16)
def test_json_is_read_as_it_is(value: object) -> None:
    """Any JSON value (JSON is YAML) is read unchanged, and every key and item has a place."""
    document = parse_document("meta_prefect.yaml", json.dumps({"value": value}, ensure_ascii=False).encode())
    assert document.data == {"value": value}
    assert document.problems == ()
    assert document.positions["value",] == (1, 2)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.text(alphabet="ab01:-[]{}&*!<>|?'\"#%@ \n\t,~.", max_size=40) | st.text(max_size=20))
def test_any_text_is_read_or_refused(text: str) -> None:
    """No text makes the reader fail in any other way than with its own error."""
    try:
        document = parse_document("meta_prefect.yaml", text.encode())
    except ProjectFileError:
        return
    json.dumps(document.data, allow_nan=False)


def test_the_schema_for_editors_names_every_key() -> None:
    """The JSON schema knows the file's keys and an entry's keys, and allows no others."""
    schema = json_schema()
    assert set(schema["properties"]) == {
        "project",
        "renamed_from",
        "include",
        "owner",
        "recipes",
        "flows",
        "deployments",
        "environments",
        "policies",
        "exempt",
    }
    assert {"type": "string"} in schema["properties"]["policies"]["items"]["anyOf"]
    assert set(schema["$defs"]["EntryModel"]["properties"]) == {
        "recipe",
        "variables",
        "entrypoint",
        "environments",
        "overrides",
    }
    assert schema["additionalProperties"] is schema["$defs"]["EntryModel"]["additionalProperties"] is False


def test_the_project_file_is_found_from_below(tmp_path: Path) -> None:
    """From a folder, or a file in it, the search goes up; the nearest project file wins."""
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    (tmp_path / "meta_prefect.yml").write_text(SEED)
    (below / "flow.py").touch()
    assert find_project_file(below) == find_project_file(below / "flow.py") == tmp_path / "meta_prefect.yml"
    (tmp_path / "a" / "meta_prefect.yaml").write_text(SEED)
    assert find_project_file(below) == tmp_path / "a" / "meta_prefect.yaml"
    other = below / "other.yaml"
    other.write_text(SEED)
    assert find_project_file(other) == other


def test_a_missing_project_file_is_explained(tmp_path: Path) -> None:
    """The error says where was looked and what to write; the search does not leave the repository."""
    (tmp_path / "meta_prefect.yaml").write_text(SEED)
    repository = tmp_path / "repository"
    below = repository / "flows"
    below.mkdir(parents=True)
    (repository / ".git").mkdir()
    with pytest.raises(ProjectFileError) as failed:
        find_project_file(below)
    assert str(failed.value).startswith(f"there is no meta_prefect.yaml in {below} and above, up to {repository}\n")
    assert "deployments:" in str(failed.value.hint)
    with pytest.raises(ProjectFileError, match="there is no file or folder"):
        find_project_file(tmp_path / "nowhere")
    (below / "meta_prefect.yml").touch()
    (below / "meta_prefect.yaml").touch()
    with pytest.raises(ProjectFileError, match=r"holds both meta_prefect\.yaml and meta_prefect\.yml"):
        find_project_file(below)


def test_a_project_can_do_without_a_file(tmp_path: Path) -> None:
    """Where flows are only decorated, a folder, a folder with an empty file, or a file in a folder are projects too."""
    (tmp_path / ".git").mkdir()
    (tmp_path / "flow.py").touch()
    for start in (tmp_path, tmp_path / "flow.py"):
        project = read_project(start, required=False)
        assert (project.root, project.entries, project.name_is_stable) == (tmp_path, (), False)
    (tmp_path / "meta_prefect.yaml").write_text("recipes: [recipes]\ndeployments:\n")
    assert read_project(tmp_path, required=False).recipes == ("recipes",)
    with pytest.raises(ValidationFailed, match="there is no file or folder"):
        read_project(tmp_path / "nowhere", required=False)


def test_a_project_file_may_be_a_symbolic_link(tmp_path: Path) -> None:
    """The root is the folder in which the file is seen, as with files that a cluster mounts as links."""
    hidden = tmp_path / "..data"
    hidden.mkdir()
    (hidden / "meta_prefect.yaml").write_text(SEED)
    (tmp_path / "meta_prefect.yaml").symlink_to(hidden / "meta_prefect.yaml")
    assert read_project(tmp_path).root == tmp_path

"""Study files: what they mean, and every mistake said with its line before anything runs."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from magicmix_study.axes import range_values
from magicmix_study.graphs import find_node, reach, read_graph, with_values
from magicmix_study.problems import StudyError
from magicmix_study.schema_check import check_against
from magicmix_study.study_file import load_study
from magicmix_study.toml_lines import lines_of
from study_runs import REPOSITORY

GRAPH = json.loads((REPOSITORY / "workflows" / "api" / "image_text.json").read_text())
NU = '[[vary]]\nnode = "MagicMixKSampler"\ninput = "nu"\n'


@pytest.fixture
def load(tmp_path):
    """`load(text)`: the study of this text, on the shipped image-text graph."""

    def read(text: str, graph: object = GRAPH):
        (tmp_path / "graph.json").write_text(json.dumps(graph))
        (tmp_path / "study.toml").write_text(text if text.startswith("graph") else f'graph = "graph.json"\n{text}')
        return load_study(tmp_path / "study.toml")

    return read


@pytest.fixture
def mistakes(load):
    """`mistakes(text)`: (line, what is wrong) of each."""

    def read(text: str, graph: object = GRAPH) -> list[tuple[int, str]]:
        with pytest.raises(StudyError) as error:
            load(text, graph)
        return [(problem.line, problem.text) for problem in error.value.problems]

    return read


def values_of(study) -> list[tuple]:
    """In the order of their numbers."""
    space = study.space
    return [tuple(values.values()) for _, values in sorted((space.number(place), space.values(place)) for place in range(len(space)))]


def test_lists_and_ranges_make_their_product(load):
    study = load(NU + 'values = [0.5, 1]\n[[vary]]\nnode = "Content prompt"\ninput = "text"\nname = "prompt"\nvalues = ["a fox", "a cat"]')
    assert values_of(study) == [(0.5, "a fox"), (0.5, "a cat"), (1.0, "a fox"), (1.0, "a cat")]
    assert [column.name for column in study.columns] == ["nu", "prompt"]


def test_a_word_zips_what_shares_it(load):
    prompts = '[[vary]]\nnode = "Content prompt"\ninput = "text"\nname = "prompt"\nvalues = ["a", "b"]\nzip = "pair"\n'
    study = load(NU + 'values = [0.5, 1]\nzip = "pair"\n' + prompts)
    assert values_of(study) == [(0.5, "a"), (1.0, "b")]


def test_a_table_changes_its_columns_together(load, tmp_path):
    (tmp_path / "pairs.csv").write_text('prompt,nu\n"a fox, red",0.5\na cat,1\n')
    columns = 'columns = { prompt = ["Content prompt", "text"], nu = ["MagicMixKSampler", "nu"] }'
    assert values_of(load(f'[[vary]]\ntable = "pairs.csv"\n{columns}')) == [("a fox, red", 0.5), ("a cat", 1.0)]
    pq.write_table(pa.table({"prompt": ["x"], "nu": [1]}), tmp_path / "pairs.parquet")
    assert values_of(load(f'[[vary]]\ntable = "pairs.parquet"\n{columns}')) == [("x", 1.0)]


def test_files_come_by_pattern_and_count_by_their_content(load, tmp_path):
    text = '[[vary]]\nnode = "Layout image"\ninput = "image"\nname = "layout"\nfiles = "*.png"\n'
    for name in ("b.png", "a.png", "c.jpg"):
        (tmp_path / name).write_bytes(name.encode())
    study = load(text)
    assert values_of(study) == [("a.png",), ("b.png",)]
    before = study.item(0, {})["id"]
    (tmp_path / "a.png").write_bytes(b"other")
    assert load(text).item(0, {})["id"] != before


def test_one_value_may_set_several_inputs(load):
    study = load('[[vary]]\nname = "noise"\ninputs = [["MagicMixLayoutNoise", "seed"], ["MagicMixKSampler", "seed"]]\nvalues = [7]')
    graph = with_values(study.graph, study.settings(study.space.values(0), str))
    assert graph["5"]["inputs"]["seed"] == graph["8"]["inputs"]["seed"] == 7


def test_a_sample_is_the_same_for_its_seed_and_repeats_nothing(load):
    text = NU + "range = { from = 0, to = 1, count = 101 }\n[sample]\ncount = 30\nseed = 5"
    drawn = values_of(load(text))
    assert drawn == values_of(load(text)) and len(set(drawn)) == 30
    assert set(drawn) <= {(place / 100,) for place in range(101)}
    assert drawn != values_of(load(text.replace("seed = 5", "seed = 6")))


def test_the_id_depends_on_graph_values_and_versions(load):
    study = load(NU + "values = [0.5, 1]")
    first = study.item(0, {"comfyui": "1"})["id"]
    assert len({first, study.item(1, {"comfyui": "1"})["id"], study.item(0, {"comfyui": "2"})["id"]}) == 3
    assert load(NU + "values = [1, 0.5]").item(1, {"comfyui": "1"})["id"] == first, "wherever it stands in the study"
    assert load('keep = ["SaveImage"]\n' + NU + "values = [0.5]").item(0, {"comfyui": "1"})["id"] != first, "other files are kept"
    titled = json.loads(json.dumps(GRAPH))
    titled["8"]["_meta"]["title"] = "Another title"
    assert load(NU + "values = [0.5]", titled).item(0, {"comfyui": "1"})["id"] == first


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        (NU.replace("KSampler", "KSample") + "values = [1]", 3, "did you mean 'MagicMixKSampler'?"),
        (NU.replace('"nu"', '"nuu"') + "values = [1]", 4, "has no input 'nuu' in the graph; did you mean 'nu'?"),
        (NU.replace('"nu"', '"model"') + "values = [1]", 4, "model is linked to Load MagicMix Demo Checkpoint"),
        ('[[vary]]\nnode = "CLIPTextEncode"\ninput = "text"\nvalues = ["a"]', 3, "2 nodes are called 'CLIPTextEncode' (nodes 6, 7)"),
        ('[[vary]]\nnode = "Layout image"\ninput = "image"\nfiles = "*.png"', 5, "no file matches '*.png'"),
        ('[[vary]]\nnode = "Layout image"\ninput = "image"\nfiles = "../*.png"', 5, "leads out of the study's folder"),
        (NU + "values = []", 5, "a list with one value or more"),
        (NU + 'values = [1, "x"]', 5, "values must be of one kind"),
        (NU + "values = [1, nan]", 5, "numbers must be finite"),
        (NU + "values = [0.5, 0.5]", 2, "0.5 stands here twice"),
        (NU + "range = { from = 0, to = 1 }", 5, "a range is { from, to, count }"),
        (NU + "range = { from = 0, to = 1, step = -1 }", 5, "step must lead from 0 to 1"),
        (NU + "values = [1]\nvalue = 3", 6, "unknown key 'value'"),
        (NU + "values = [1]\n" + NU + "values = [2]", 6, "'nu' is varied in line 2 already"),
        (NU + "values = [1]\n" + NU + 'name = "other"\nvalues = [2]', 6, "sets the same input as line 2"),
        (NU + 'name = "worker"\nvalues = [1]', 2, "the table has a column 'worker' of its own"),
        (NU + "values = [1]\n[sample]\ncount = 2", 7, "between 1 and the 1 pictures that there are, got 2"),
        (NU + 'table = "none.csv"\ncolumns = { a = ["Content prompt", "text"] }', 5, "cannot be read: No such file"),
        ('keep = ["Save"]\n' + NU + "values = [1]", 2, "did you mean 'SaveImage'?"),
        ('keep = ["Layout image"]\n' + NU + "values = [1]", 3, "'nu' changes nothing in what is kept"),
        ("attempts = 0\n" + NU + "values = [1]", 2, "attempts must be a whole number of 1 or more, got 0"),
        ("time_limit = inf\n" + NU + "values = [1]", 2, "time_limit must be a number of seconds above 0, got inf"),
        ('order = ["mu"]\n' + NU + "values = [1]", 2, "order must list varied values"),
        ("colour = 3\n" + NU + "values = [1]", 2, "unknown key 'colour'"),
        ('graph = "none.json"\n' + NU + "values = [1]", 1, "graph: 'none.json' cannot be read: No such file"),
        ('graph = "../graph.json"\n' + NU + "values = [1]", 1, "leads out of the study's folder"),
        ("", 1, "nothing is varied"),
        ("x = 1\na = ", 3, "not TOML"),
    ],
)
def test_each_mistake_is_said_with_its_line(mistakes, text, line, said):
    assert any(at == line and said in what for at, what in mistakes(text)), mistakes(text)


def test_all_mistakes_are_said_at_once(mistakes):
    assert [line for line, _ in mistakes(NU + "values = [nan]\n" + NU + "range = {}\nfoo = 1")] == [5, 10]


def test_a_file_that_is_no_text_is_said(tmp_path):
    (tmp_path / "study.toml").write_bytes(b"graph = '\xff'")
    with pytest.raises(StudyError, match="study.toml:1: not UTF-8"):
        load_study(tmp_path / "study.toml")


def test_what_is_wrong_in_a_table_is_said(mistakes, tmp_path):
    (tmp_path / "t.csv").write_text("prompt,nu\na,0.5\nb,half\n")
    text = '[[vary]]\ntable = "t.csv"\ncolumns = { nu = ["MagicMixKSampler", "nu"] }'
    assert mistakes(text) == [(4, "column nu: 'half' is not a number")]
    (tmp_path / "t.csv").write_text("prompt,nu\na,0.5\nb\n")
    assert mistakes(text) == [(3, "t.csv, line 3: 1 values for 2 columns")]
    (tmp_path / "t.csv").write_text("prompt,nu\na,0.5\n")
    assert mistakes(text.replace("{ nu", "{ mu")) == [(3, "t.csv has no column 'mu'; it has 'prompt', 'nu'")]


def test_a_graph_of_the_page_is_refused_in_words(mistakes):
    assert "export it with Workflow, Export (API)" in mistakes(NU + "values = [1]", {"nodes": [], "links": []})[0][1]


SCHEMAS = {node["class_type"]: {"input": {"required": {}}, "output_node": node["class_type"] == "SaveImage"} for node in GRAPH.values()} | {
    "MagicMixKSampler": {
        "input": {
            "required": {
                "nu": ["FLOAT", {"min": 0.0, "max": 1.0}],
                "steps": ["INT", {"min": 1, "max": 10000}],
                "scheduler": [["ddim_uniform", "karras"], {}],
                "sampler_name": ["COMBO", {"options": ["euler", "heun"]}],
                "restore_variance": ["BOOLEAN", {}],
            }
        }
    }
}


@pytest.mark.parametrize(
    ("name", "values", "said"),
    [
        ("nu", "[0.5, 1.5]", "nu must lie between 0.0 and 1.0, got 1.5"),
        ("steps", "[1.5]", "steps must be a whole number, got 1.5"),
        ("scheduler", '["carras"]', "scheduler must be one of ddim_uniform, karras, got 'carras'"),
        ("sampler_name", '["oiler"]', "sampler_name must be one of euler, heun, got 'oiler'"),
        ("restore_variance", "[1]", "restore_variance must be true or false, got 1"),
    ],
)
def test_values_are_held_against_the_servers_schema(load, name, values, said):
    study = load(NU.replace('"nu"', f'"{name}"') + f"values = {values}")
    (problem,) = check_against(study, SCHEMAS)
    assert problem.line == 2 and said in problem.text


def test_a_node_that_the_server_lacks_is_named(load):
    schemas = {name: schema for name, schema in SCHEMAS.items() if name != "VAEDecode"}
    (problem,) = check_against(load(NU + "values = [1]"), schemas)
    assert problem.text == "the server has no node 'VAEDecode'"


def test_nodes_are_found_by_title_before_type():
    assert find_node(GRAPH, "Content prompt") == "6" and find_node(GRAPH, "LoadImage") == "2"
    assert reach(GRAPH, ["5"]) == {"5", "8", "9", "10"}


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"1": {"class_type": "A"}}', '{"1": {"class_type": "A", "inputs": {"x": ["2", 0]}}}'])
def test_what_is_no_graph_is_refused(text):
    with pytest.raises(ValueError, match="."):
        read_graph(text)


def test_ranges_hold_both_ends_and_are_clean():
    assert range_values({"from": 0, "to": 0.3, "step": 0.1}) == [0.0, 0.1, 0.2, 0.3]
    assert range_values({"from": 1, "to": 4, "count": 4}) == [1, 2, 3, 4]
    assert range_values({"from": 1, "to": 0, "count": 3}) == [1.0, 0.5, 0.0]


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=8), min_size=1, max_size=4))
def test_lines_are_those_that_the_keys_stand_on(comments):
    lines = []
    for place, comment in enumerate(comments):
        lines += [f"# {comment}", "", "[[vary]]", 'text = """', "node = 3", '"""', f"key{place} = [", "1,", "]"]
    found = lines_of("\n".join(lines))
    for place in range(len(comments)):
        begin = place * 9
        assert found["vary", place] == begin + 3
        assert found["vary", place, "text"] == begin + 4
        assert found["vary", place, f"key{place}"] == begin + 7

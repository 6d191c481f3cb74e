# Each target does its own set-up (Debian packages, restore) and does nothing twice; offline works where all is there.

export DEMO_DIR

.PHONY: build deb image image-test test test-full demo bench soak fuzz mutate structure clean

build:                  ## both NativeAOT programs: out/linux-x64/nashammer, out/linux-arm64/nashammer
	@scripts/build.sh

deb:                    ## Debian packages: out/nashammer_VERSION_amd64.deb, out/nashammer_VERSION_arm64.deb
	@scripts/deb.sh

image:                  ## a card: out/nashammer-BOARD.img.zst: BOARD=pi3 (default), pi4, pi5, zero2w, all
	@scripts/image.sh $(or $(BOARD),pi3)

image-test:             ## the card in the emulator, with disks, another box, pulled plugs: IMAGE=file
	@scripts/image-test.sh

test:                   ## everything that must hold; the last line says how many passed
	@scripts/test.sh

test-full:              ## the same with the long forms, after image and image-test; the same last line
	@scripts/test-full.sh

demo:                   ## the main job, end to end, on real files: make demo [DEMO_DIR=folder]
	@scripts/demo.sh

bench:                  ## how fast, beside the neighbours on the same machine
	@scripts/bench.sh

soak:                   ## campaigns: power cuts, faults, exercisers, fuzzing: make soak SECONDS=N [SOAK_STATE=file]
	@scripts/soak.sh --seconds $(or $(SECONDS),900) $(if $(SOAK_STATE),--resume $(SOAK_STATE))

fuzz:                   ## the fuzzing campaigns, until interrupted
	@scripts/soak.sh --only 'fuzz-*'

mutate:                 ## breaks the engine step by step and sees whether the campaigns notice
	@scripts/mutate-engine.sh

structure:              ## docs/structure.svg: which project and folder uses which, drawn from the code
	@scripts/structure.sh

clean:
	@rm -rf out
	@find . -type d \( -name bin -o -name obj \) -not -path './.git/*' -prune -exec rm -rf {} +

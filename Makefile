IMAGES = $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/pointsman/images

.DEFAULT_GOAL := help
.PHONY: help demo run test check bench quality manifests cluster cluster-down images install e2e

help: ## List the targets
	@sed -n 's/^\([a-z0-9-]*\): ## \(.*\)/make \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "%-16s %s\n", $$1, $$2 }'

demo: ## Play 1,000 exam questions through Pointsman and report cost and quality; needs no cluster and no key
	@scripts/demo.sh

run: ## Serve the quickstart on http://127.0.0.1:7171/v1 until Ctrl-C
	@scripts/cargo.sh run --quiet --release -p pointsman-cli --bin pointsman -- run examples/quickstart

test: ## Run every test; installs what it needs, and builds a Kubernetes API server once
	@scripts/test.sh

check: ## Format, lints, tests without a cluster, docs, licences, generated files: run before a commit
	@scripts/check.sh

bench: ## Measure the request path beside nginx and bare hyper
	@scripts/bench.sh

quality: ## Judge routing on recorded outcomes by nested cross-validation; what POINTSMAN_ROUTING_DATA lacks is SKIPPED
	@scripts/quality.sh

manifests: ## Write manifests/ from the API types
	@scripts/cargo.sh run --quiet -p pointsman-crds --bin crdgen -- --write

cluster: ## Start a one-node Kubernetes in namespaces of its own, with the images that `make images` has made
	@scripts/cluster/up.sh $(wildcard $(IMAGES)/pointsman.tar $(IMAGES)/shop.tar)

cluster-down: ## End that cluster and remove every trace of it
	@scripts/cluster/down.sh

images: ## Assemble the images as OCI archives, without a daemon
	@scripts/images.sh

install: ## Install the chart in the cluster of the current kubeconfig: make install IMAGE=registry/pointsman:tag [ARGS="helm's own"]
	@IMAGE="$(IMAGE)" scripts/deploy.sh $(ARGS)

e2e: ## Run the node suite on a cluster of its own
	@scripts/e2e.sh

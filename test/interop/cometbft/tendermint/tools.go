//go:build tools

// Package tendermint names the programs of Tendermint, which came before CometBFT, so that go.mod
// and go.sum beside it lock their modules.
package tendermint

import (
	_ "github.com/tendermint/tendermint/cmd/tendermint"
	_ "github.com/tendermint/tendermint/tools/tm-signer-harness"
)

package world

import (
	"path/filepath"
	"testing"

	"caselink.example/cmd/caselink/internal/config"
)

func TestConfigOfDevIsAnOrdinaryOne(t *testing.T) {
	t.Parallel()
	at := addresses{adapter: "127.0.0.1:8080", gps: "127.0.0.1:8081", issuer: "127.0.0.1:8082"}
	w := newWorld("var/dev", "seed", "", at)
	path := filepath.Join(t.TempDir(), "caselink.yaml")
	cfg := w.serveConfig(at.adapter, "postgres://caselink@/caselink", "postgres://caselink_owner@/caselink")
	if err := writeYAML(path, "note", cfg); err != nil {
		t.Fatal(err)
	}

	_, err := config.Load(path, nil)
	if err != nil {
		t.Error(err)
	}
}

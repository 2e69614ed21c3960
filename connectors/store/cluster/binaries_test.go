package cluster_test

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"caselink.example/connectors/store/cluster"
)

func TestFindPassesByAServerThatIsTooOld(t *testing.T) {
	old := t.TempDir()
	script(t, filepath.Join(old, "pg_config"), "echo "+old)
	script(t, filepath.Join(old, "initdb"), "exit 1")
	script(t, filepath.Join(old, "postgres"), "echo 'postgres (PostgreSQL) 9.6.24'")
	t.Setenv("PATH", old+":"+os.Getenv("PATH"))

	bin, err := cluster.Find()

	if err != nil || bin.Version < cluster.MinVersion || bin.Dir == old {
		t.Errorf("Find() = %+v, %v; want version %d or newer", bin, err, cluster.MinVersion)
	}
}

func TestInstallWithoutAptSaysWhatToDo(t *testing.T) {
	t.Setenv("PATH", t.TempDir())

	err := cluster.Install(t.Context(), io.Discard)

	if err == nil || !strings.Contains(err.Error(), "sudo apt-get install postgresql") || strings.Contains(err.Error(), "\n") {
		t.Errorf("Install() = %v, want one line with the command", err)
	}
}

func script(t *testing.T, path, line string) {
	t.Helper()
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+line+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
}

package kit

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"caselink.example/conformance/kit/suite"
)

func TestPresetFileNamesSecretsAndHoldsNone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	file := write("preset.yaml", `
name: mine
fhirBase: https://adapter.example/FHIR/R4/
caseAPI: https://adapter.example/api/v1
tokenURL: https://issuer.example/token
practice: a
clients:
  a: {id: A, secretEnv: SECRET_A, scope: s, ods: Y99901, gpSystem: "https://gp.example/R4", linkWorker: w, other: b}
  b: {id: B, secretFile: `+write("b.secret", "bee\n")+`, ods: Y99902}
  w: {id: W, secretEnv: SECRET_A}
`)
	env := func(name string) string { return map[string]string{"SECRET_A": "ay"}[name] }

	preset, err := LoadPreset(file, env)
	if err != nil {
		t.Fatal(err)
	}
	got, err := preset.Target(suite.RoleAdapter, "", "")
	if err != nil {
		t.Fatal(err)
	}

	want := Target{
		Preset: "mine", Base: "https://adapter.example/FHIR/R4", CaseAPI: "https://adapter.example/api/v1",
		TokenURL: "https://issuer.example/token",
		GPSystem: "https://gp.example/R4", Played: "a",
		Clients: map[string]Client{
			"practice":       {ID: "A", Secret: "ay", Scope: "s", ODS: "Y99901"},
			"link-worker":    {ID: "W", Secret: "ay"},
			"other-practice": {ID: "B", Secret: "bee", ODS: "Y99902"},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("target (-want +got):\n%s", diff)
	}
	other, err := preset.Target(suite.RoleGPSystem, "", "")
	if err != nil || other.Base != "https://gp.example/R4" || !other.Open {
		t.Errorf("as a GP system: %+v, %v", other, err)
	}
	if _, err := preset.Target(suite.RoleAdapter, "", "z"); err == nil {
		t.Error("an unknown client was played")
	}
	for name, text := range map[string]string{
		"secret in the file": "clients: {a: {id: A, secret: x}}",
		"no secret":          "clients: {a: {id: A}}",
		"unset":              "clients: {a: {id: A, secretEnv: NONE}}",
	} {
		if _, err := LoadPreset(write("bad.yaml", text), env); err == nil {
			t.Errorf("%s: it was read", name)
		}
	}
}

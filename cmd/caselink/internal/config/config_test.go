package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"caselink.example/fhir"
)

const soundConfig = `
public_url: https://caselink.example
database:
  url_file: database-url
issuers:
  - url: https://issuer.example
    audience: https://caselink.example/FHIR/R4
    claims: {ods: practice}
practices:
  - ods: Y99901
    name: Bramley Green Surgery
    default_service: riverside
    destinations:
      - {kind: fhir, base: https://gp.example/FHIR/R4, token_file: gp-token}
      - {id: second, kind: none}
services:
  - id: riverside
    name: Riverside Social Prescribing
    identifiers: [{system: https://fhir.nhs.uk/Id/ods-organization-code, value: Y99911}]
`

func TestConfigIsReadWhole(t *testing.T) {
	t.Parallel()
	path := writeConfig(t, soundConfig)

	got, err := Load(path, nil)

	want := Config{
		Listen: "127.0.0.1:8080", PublicURL: "https://caselink.example",
		Database: Database{
			URL: "postgres://caselink:opensesame@db.example/caselink", URLFile: "database-url", MaxConnections: 16,
		},
		Issuers: []Issuer{{
			URL: "https://issuer.example", Audience: "https://caselink.example/FHIR/R4",
			Claims: Claims{ODS: "practice"},
		}},
		Practices: []Practice{{
			ODS: "Y99901", Name: "Bramley Green Surgery", DefaultService: "riverside",
			Destinations: []Destination{
				{
					ID: "Y99901", Kind: "fhir", Base: "https://gp.example/FHIR/R4", Mode: "put",
					TokenFile: "gp-token", Token: "a-token",
				},
				{ID: "second", Kind: "none"},
			},
		}},
		Services: []Service{{
			ID: "riverside", Name: "Riverside Social Prescribing",
			Identifiers: []fhir.Identifier{{System: "https://fhir.nhs.uk/Id/ods-organization-code", Value: "Y99911"}},
		}},
		Log: Log{Level: "info"},
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("Load() error %v, mismatch (-want +got):\n%s", err, diff)
	}
}

func TestEnvironmentWins(t *testing.T) {
	t.Parallel()
	path := writeConfig(t, strings.Replace(soundConfig, "url_file: database-url", "max_connections: 4", 1))

	got, err := Load(path, Environment{
		"CASELINK_LISTEN":                   "0.0.0.0:9000",
		"CASELINK_DATABASE_URL":             "postgres://caselink:opensesame@db.example/caselink",
		"CASELINK_DATABASE_MAX_CONNECTIONS": "32",
		"CASELINK_LOG_LEVEL":                "debug",
		"CASELINK_PRACTICES":                "[{ods: Y99902, name: Kestrel Road Practice}]",
		"CASELINK_PORT":                     "tcp://10.0.0.1:80", // what Kubernetes sets for a service of this name
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []any{"0.0.0.0:9000", "postgres://caselink:opensesame@db.example/caselink", 32, "debug", 1, "Y99902"}
	seen := []any{
		got.Listen, got.Database.URL, got.Database.MaxConnections, got.Log.Level, len(got.Practices), got.Practices[0].ODS,
	}
	if diff := cmp.Diff(want, seen); diff != "" {
		t.Errorf("Load() mismatch (-want +got):\n%s", diff)
	}
}

// TestEveryFaultIsToldWithItsLine changes the sound configuration, and wants exactly
// these faults.
func TestEveryFaultIsToldWithItsLine(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		old, new string
		want     string // the faults, a line for each
	}{
		"unknown key": {
			"claims: {ods", "claims: {odz",
			":8: issuers[0].claims.odz: unknown key; known here: ods, services, scope",
		},
		"unknown key at the top": {"practices:", "practises: []\npractices:", ":9: practises: unknown key"},
		"key twice": {
			"issuers:", "public_url: x\nissuers:",
			"public_url: is in line 2 and again in line 5: keep one",
		},
		"not a list": {
			"[{system: https://fhir.nhs.uk/Id/ods-organization-code, value: Y99911}]", "none",
			":19: services[0].identifiers: must be a list",
		},
		"not keys and values": {
			"claims: {ods: practice}", "claims: ods",
			":8: issuers[0].claims: must be keys and values",
		},
		"not a number": {
			"url_file: database-url", "url_file: database-url\n  max_connections: many",
			":5: database.max_connections: must be a whole number",
		},
		"no database": {"url_file: database-url", "max_connections: 5", ":4: database: needs url or url_file"},
		"two databases": {
			"url_file: database-url", "url_file: database-url\n  url: postgres://db.example/caselink",
			":5: database.url: and database.url_file contradict each other",
		},
		"password in the file": {
			"url_file: database-url", "url: postgres://caselink:opensesame@db.example/caselink",
			":4: database.url: holds a password",
		},
		"password as a parameter": {
			"url_file: database-url", "url: postgres://db.example/caselink?password=opensesame",
			":4: database.url: holds a password",
		},
		"no such secret": {"gp-token", "no-token", ":14: practices[0].destinations[0].token_file: cannot be read"},
		"no issuer": {
			"issuers:\n  - url: https://issuer.example\n    audience: https://caselink.example/FHIR/R4\n    claims: {ods: practice}\n", "",
			"issuers: at least one is needed",
		},
		"issuer without TLS": {"https://issuer.example", "http://issuer.example", ":6: issuers[0]: "},
		"not an ODS code":    {"ods: Y99901", "ods: y99901", ":10: practices[0].ods: must be an ODS code"},
		"service that is not there": {
			"default_service: riverside", "default_service: lakeside",
			`:12: practices[0].default_service: "lakeside" is not the id of a service`,
		},
		"destination of no kind": {
			"kind: fhir, ", "",
			":14: practices[0].destinations[0].kind: must be fhir or none",
		},
		"destination with two kinds": {
			"kind: none", "kind: none, mode: put",
			":15: practices[0].destinations[1]: kind none sends nothing",
		},
		"destination twice": {
			"id: second", "id: Y99901",
			`:15: practices[0].destinations[1].id: "Y99901" is that of practices[0].destinations[0].id too`,
		},
		"base that is no URL": {
			"base: https://gp.example/FHIR/R4", "base: gp.example",
			":14: practices[0].destinations[0].base: must be an absolute URL",
		},
		"not YAML": {"issuers:", "issuers: [", "yaml: line"},
		"all at once": {
			"public_url: https://caselink.example", "public_url: caselink\nlisten: here",
			":3: listen: must be host:port\n:2: public_url: must be an absolute URL",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := writeConfig(t, strings.Replace(soundConfig, c.old, c.new, 1))

			_, err := Load(path, nil)

			wantFaults(t, err, strings.Split(c.want, "\n")...)
		})
	}
}

func TestFaultOfTheEnvironmentNamesTheVariable(t *testing.T) {
	t.Parallel()
	path := writeConfig(t, soundConfig)

	_, err := Load(path, Environment{"CASELINK_LOG_LEVEL": "loud"})

	wantFaults(t, err, "environment CASELINK_LOG_LEVEL: log.level: must be debug")
}

// wantFaults wants these faults in this order, each with the text in it, and no secret.
func wantFaults(t *testing.T, err error, want ...string) {
	t.Helper()
	got, ok := err.(faults)
	if !ok || len(got) != len(want) {
		t.Fatalf("Load() = %v, want %d fault(s)", err, len(want))
	}
	for i := range want {
		if !strings.Contains(got[i], want[i]) {
			t.Errorf("fault %d is %q, want %q in it", i, got[i], want[i])
		}
	}
	if strings.Contains(err.Error(), "opensesame") {
		t.Errorf("the fault tells the password: %v", err)
	}
}

// writeConfig writes the configuration beside the secrets that it names.
func writeConfig(t *testing.T, text string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string]string{
		"caselink.yaml": text,
		"database-url":  "postgres://caselink:opensesame@db.example/caselink\n",
		"gp-token":      "a-token\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "caselink.yaml")
}

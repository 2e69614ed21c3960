package kit

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"caselink.example/conformance/kit/suite"
)

// Preset says how to reach a target, as a YAML file. Secrets are named, never held.
type Preset struct {
	Name     string                  `yaml:"name"`
	FHIRBase string                  `yaml:"fhirBase"` // such as https://host/FHIR/R4
	CaseAPI  string                  `yaml:"caseAPI"`  // such as https://host/api/v1; "" for none
	TokenURL string                  `yaml:"tokenURL"` // OAuth 2 client credentials
	Practice string                  `yaml:"practice"` // the client that plays the practice unless another is asked for
	Clients  map[string]PresetClient `yaml:"clients"`
	Open     bool                    `yaml:"open"` // requests need no token: a GP system behind a network of its own
}

// PresetClient is a client of the target's token endpoint.
type PresetClient struct {
	ID         string `yaml:"id"`
	SecretEnv  string `yaml:"secretEnv"`  // the environment variable that holds the secret, or
	SecretFile string `yaml:"secretFile"` // the file
	Scope      string `yaml:"scope"`
	ODS        string `yaml:"ods"`        // a practice: its ODS code
	GPSystem   string `yaml:"gpSystem"`   // FHIR base of its GP system, which the target writes back to
	GPFault    string `yaml:"gpFault"`    // where that GP system takes its faults; "" when it takes none
	LinkWorker string `yaml:"linkWorker"` // the client of the service that gets its referrals
	Other      string `yaml:"other"`      // the client of another practice
	Secret     string `yaml:"-"`          // what SecretEnv or SecretFile holds
}

// Target is a system under test and what the kit needs to test it.
type Target struct {
	Preset   string
	Base     string
	CaseAPI  string
	GPSystem string
	GPFault  string
	TokenURL string
	Open     bool
	Played   string            // the preset's name of the client that plays the practice
	Clients  map[string]Client // by the names that suites use
}

// Client is a client as suites know it.
type Client struct {
	ID, Secret, Scope, ODS string
}

// LoadPreset reads a preset file; a key that is not known is an error. env looks up
// an environment variable.
func LoadPreset(file string, env func(string) string) (Preset, error) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return Preset{}, err
	}
	d := yaml.NewDecoder(bytes.NewReader(raw))
	// A secret that was written into the file is an unknown key, and is refused.
	d.KnownFields(true)
	var p Preset
	if err := d.Decode(&p); err != nil {
		return Preset{}, fmt.Errorf("preset %s: %w", file, err)
	}
	// All that is missing at once, in order.
	var faults []error
	for _, name := range slices.Sorted(maps.Keys(p.Clients)) {
		c := p.Clients[name]
		if c.Secret, err = c.readSecret(env); err != nil {
			faults = append(faults, fmt.Errorf("preset %s: client %s: %w", file, name, err))
		}
		p.Clients[name] = c
	}
	return p, errors.Join(faults...)
}

// readSecret looks the secret up where the preset says that it is.
func (c PresetClient) readSecret(env func(string) string) (string, error) {
	switch {
	case c.SecretEnv != "":
		if s := env(c.SecretEnv); s != "" {
			return s, nil
		}
		return "", fmt.Errorf("the environment variable %s is not set", c.SecretEnv)
	case c.SecretFile != "":
		raw, err := os.ReadFile(c.SecretFile)
		return strings.TrimSpace(string(raw)), err
	}
	return "", errors.New("secretEnv or secretFile is needed")
}

// Has reports whether the preset says how to reach the target with the FHIR base.
func (p Preset) Has(base string) bool {
	base = strings.TrimSuffix(base, "/")
	known := []string{p.FHIRBase}
	for _, c := range p.Clients {
		known = append(known, c.GPSystem)
	}
	return slices.Contains(known, base)
}

// Target is the preset seen from one practice, for one role. base and client, where
// given, come before what the preset says.
func (p Preset) Target(role, base, client string) (Target, error) {
	if client == "" {
		client = p.Practice
	}
	practice, known := p.Clients[client]
	if client != "" && !known {
		known := strings.Join(slices.Sorted(maps.Keys(p.Clients)), ", ")
		return Target{}, fmt.Errorf("the preset has no client %q: it has %s", client, known)
	}
	t := Target{
		Preset: p.Name, Base: p.FHIRBase, CaseAPI: p.CaseAPI, GPSystem: practice.GPSystem, GPFault: practice.GPFault,
		TokenURL: p.TokenURL, Open: p.Open, Played: client, Clients: map[string]Client{},
	}
	t.add("practice", practice)
	t.add("link-worker", p.Clients[practice.LinkWorker])
	t.add("other-practice", p.Clients[practice.Other])
	t.add("other-link-worker", p.Clients[p.Clients[practice.Other].LinkWorker])
	// The same preset seen from the other side: what the adapter writes to is the target.
	if role == suite.RoleGPSystem && practice.GPSystem != "" {
		t.Base, t.Open = practice.GPSystem, true
	}
	if base != "" {
		t.Base = base
	}
	for _, url := range []*string{&t.Base, &t.CaseAPI, &t.GPSystem} {
		*url = strings.TrimSuffix(*url, "/")
	}
	if t.Base == "" {
		return Target{}, errors.New("no target: give --target URL, the FHIR base, or a preset that has it")
	}
	return t, nil
}

// add gives a client the name that suites use; one that the preset lacks has none.
func (t *Target) add(name string, c PresetClient) {
	if c.ID != "" {
		t.Clients[name] = Client{ID: c.ID, Secret: c.Secret, Scope: c.Scope, ODS: c.ODS}
	}
}

// variables are what a suite may say of the target.
func (t Target) variables() map[string]string {
	out := map[string]string{}
	for name, value := range map[string]string{
		"base": t.Base, "caseAPI": t.CaseAPI, "gpSystem": t.GPSystem, "gpFault": t.GPFault,
		"practice.ods": t.Clients["practice"].ODS, "other-practice.ods": t.Clients["other-practice"].ODS,
	} {
		if value != "" {
			out[name] = value
		}
	}
	return out
}

// offered are the variables that a preset may lack; a check that needs one is then
// not checked. The value says what the preset would have to give.
var offered = map[missing]string{
	"caseAPI":            "the case API (caseAPI)",
	"gpSystem":           "the practice's GP system (gpSystem)",
	"gpFault":            "a GP system that misbehaves on command (gpFault)",
	"practice.ods":       "a practice (a client with ods)",
	"other-practice.ods": "another practice (a client's other)",
}

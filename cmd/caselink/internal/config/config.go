// Package config reads caselink.yaml and the environment, once and whole: what it returns
// has its defaults, its secrets and no fault, and an error names every fault there is with
// its line. Nothing else in the program reads the environment or a setting, so this package
// lists all that an operator can set. It also takes the sockets that systemd passes.
//
// Begin with Config, which is caselink.yaml; complete.go has the defaults, check.go the
// rules, yaml.go how a key finds its place.
// docs/words.md defines practice, service, destination and operator.
package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"

	"caselink.example/fhir"
)

// Config is caselink.yaml. Every key is also an environment variable, which wins:
// database.max_connections is CASELINK_DATABASE_MAX_CONNECTIONS, and a list such as
// practices is YAML in CASELINK_PRACTICES. Paths are relative to the file's folder.
type Config struct {
	Listen    string     `yaml:"listen"`     // host:port; port 0 picks a free one; default 127.0.0.1:8080
	PublicURL string     `yaml:"public_url"` // as clients reach it; the FHIR API is at public_url + /FHIR/R4
	Database  Database   `yaml:"database"`
	Issuers   []Issuer   `yaml:"issuers"`
	Practices []Practice `yaml:"practices"`
	Services  []Service  `yaml:"services"`
	Log       Log        `yaml:"log,omitempty"`
}

// Database names the database twice: for the runtime's login, which owns
// nothing, and for the owner, whom only migrations need. A URL with a password comes
// by file or environment, never in caselink.yaml.
type Database struct {
	URL            string `yaml:"url"`
	URLFile        string `yaml:"url_file,omitempty"` // instead of url; holds it on one line
	OwnerURL       string `yaml:"owner_url"`
	OwnerURLFile   string `yaml:"owner_url_file,omitempty"`  // instead of owner_url
	MaxConnections int    `yaml:"max_connections,omitempty"` // of this process; default 16
}

// Issuer is an OIDC issuer whose access tokens are taken.
type Issuer struct {
	URL        string   `yaml:"url"`                  // exactly as the token's iss
	TokenURL   string   `yaml:"token_url,omitempty"`  // where clients get tokens; for smart-configuration
	Audience   string   `yaml:"audience"`             // must be in the token's aud
	Algorithms []string `yaml:"algorithms,omitempty"` // default all of auth.Algorithms
	Claims     Claims   `yaml:"claims,omitempty"`
}

// Claims names the claims that say whose data a caller may touch.
type Claims struct {
	ODS      string `yaml:"ods,omitempty"`      // default ods: the practice's ODS code
	Services string `yaml:"services,omitempty"` // default services: ids of services
	Scope    string `yaml:"scope,omitempty"`    // default scope
}

// Practice is a practice that refers, and where its write-backs go.
type Practice struct {
	ODS            string        `yaml:"ods"`
	Name           string        `yaml:"name"`
	DefaultService string        `yaml:"default_service,omitempty"` // id; for referrals that name no service
	Destinations   []Destination `yaml:"destinations,omitempty"`
}

// The kinds of destination, and how a receiver takes a resource.
const (
	KindFHIR = "fhir" // a FHIR R4 REST base
	KindNone = "none" // nothing is sent: the practice polls

	ModePUT  = "put"  // to an id that Caselink chose, with If-Match
	modePOST = "post" // one resource per event, with If-None-Exist
)

// Destination is one place that a practice's write-backs go to.
type Destination struct {
	ID        string `yaml:"id,omitempty"`         // unique among all; default: the ODS code of the practice
	Kind      string `yaml:"kind"`                 // fhir or none
	Base      string `yaml:"base,omitempty"`       // fhir: such as https://gp.example/FHIR/R4
	Mode      string `yaml:"mode,omitempty"`       // fhir: put (default) or post
	TokenFile string `yaml:"token_file,omitempty"` // fhir: holds the bearer token to send; default none is sent
	Token     string `yaml:"-"`                    // what the file holds
}

// Service is a social prescribing service.
type Service struct {
	ID          string            `yaml:"id"`
	Name        string            `yaml:"name"`
	ODS         string            `yaml:"ods,omitempty"`         // of the organisation that runs it; optional
	Identifiers []fhir.Identifier `yaml:"identifiers,omitempty"` // by which ServiceRequest.performer may name it
}

// Log says how much is logged.
type Log struct {
	Level string `yaml:"level,omitempty"` // debug, info (default), warn or error
}

// DefaultListen is where the adapter listens without a setting.
const DefaultListen = "127.0.0.1:8080"

// DefaultMaxConnections is how many connections to PostgreSQL one process keeps without a
// setting.
const DefaultMaxConnections = 16

// Load reads the file and the environment. The error lists every fault with
// its line.
func Load(path string, env Environment) (Config, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Config{}, fmt.Errorf("there is no %s: name the file with --config, or run caselink dev, which writes one", path)
	}
	if err != nil {
		return Config{}, err
	}
	var document yaml.Node
	if err := yaml.Unmarshal(text, &document); err != nil {
		return Config{}, faults{path + ": " + err.Error()}
	}

	// Each step goes on after a fault, so that one start shows all of them. Defaults come
	// before the checks: what is checked is what will run.
	r := &reader{file: path, env: env, where: map[string]string{}}
	var cfg Config
	r.decode(content(&document), reflect.ValueOf(&cfg).Elem(), "")
	r.complete(&cfg)
	r.check(cfg)
	if len(r.faults) > 0 {
		return Config{}, r.faults
	}
	return cfg, nil
}

// faults are everything that is wrong with a configuration.
type faults []string

func (f faults) Error() string {
	return fmt.Sprintf("the configuration has %d fault(s):\n  %s", len(f), strings.Join(f, "\n  "))
}

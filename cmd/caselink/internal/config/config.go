// Package config reads caselink.yaml and the environment, once and whole: every fault is
// told at once, with its line.
package config

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"caselink.example/connectors/api/auth"
	"caselink.example/fhir"
	"caselink.example/fhir/nhs"
)

// Config is caselink.yaml. Every key is also an environment variable, which wins:
// database.max_connections is CASELINK_DATABASE_MAX_CONNECTIONS, and a list such as
// practices is YAML in CASELINK_PRACTICES. Paths are relative to the file's folder.
type Config struct {
	Listen    string           `yaml:"listen"`     // host:port; port 0 picks a free one; default 127.0.0.1:8080
	PublicURL string           `yaml:"public_url"` // as clients reach it; the FHIR API is at public_url + /FHIR/R4
	Database  DatabaseConfig   `yaml:"database"`
	Issuers   []IssuerConfig   `yaml:"issuers"`
	Practices []PracticeConfig `yaml:"practices"`
	Services  []ServiceConfig  `yaml:"services"`
	Log       LogConfig        `yaml:"log,omitempty"`
}

// DatabaseConfig names the database twice: for the runtime's login, which owns
// nothing, and for the owner, whom only migrations need. A URL with a password comes
// by file or environment, never in caselink.yaml.
type DatabaseConfig struct {
	URL            string `yaml:"url"`
	URLFile        string `yaml:"url_file,omitempty"` // instead of url; holds it on one line
	OwnerURL       string `yaml:"owner_url"`
	OwnerURLFile   string `yaml:"owner_url_file,omitempty"`  // instead of owner_url
	MaxConnections int    `yaml:"max_connections,omitempty"` // of this process; default 16
}

// IssuerConfig is an OIDC issuer whose access tokens are taken.
type IssuerConfig struct {
	URL        string       `yaml:"url"`                  // exactly as the token's iss
	TokenURL   string       `yaml:"token_url,omitempty"`  // where clients get tokens; for smart-configuration
	Audience   string       `yaml:"audience"`             // must be in the token's aud
	Algorithms []string     `yaml:"algorithms,omitempty"` // default all of auth.Algorithms
	Claims     ClaimsConfig `yaml:"claims,omitempty"`
}

// ClaimsConfig names the claims that say whose data a caller may touch.
type ClaimsConfig struct {
	ODS      string `yaml:"ods,omitempty"`      // default ods: the practice's ODS code
	Services string `yaml:"services,omitempty"` // default services: ids of services
	Scope    string `yaml:"scope,omitempty"`    // default scope
}

// PracticeConfig is a practice that refers, and where its write-backs go.
type PracticeConfig struct {
	ODS            string              `yaml:"ods"`
	Name           string              `yaml:"name"`
	DefaultService string              `yaml:"default_service,omitempty"` // id; for referrals that name no service
	Destinations   []DestinationConfig `yaml:"destinations,omitempty"`
}

// The kinds of destination, and how a receiver takes a resource.
const (
	KindFHIR = "fhir" // a FHIR R4 REST base
	kindNone = "none" // nothing is sent: the practice polls

	ModePUT  = "put"  // to an id of ours, with If-Match
	modePOST = "post" // one resource per event, with If-None-Exist
)

// DestinationConfig is one place that a practice's write-backs go to.
type DestinationConfig struct {
	ID        string `yaml:"id,omitempty"`         // unique among all; default: the ODS code of the practice
	Kind      string `yaml:"kind"`                 // fhir or none
	Base      string `yaml:"base,omitempty"`       // fhir: such as https://gp.example/FHIR/R4
	Mode      string `yaml:"mode,omitempty"`       // fhir: put (default) or post
	TokenFile string `yaml:"token_file,omitempty"` // fhir: holds the bearer token to send; default none is sent
	Token     string `yaml:"-"`                    // what the file holds
}

// ServiceConfig is a social prescribing service.
type ServiceConfig struct {
	ID          string            `yaml:"id"`
	Name        string            `yaml:"name"`
	ODS         string            `yaml:"ods,omitempty"`         // of the organisation that runs it; optional
	Identifiers []fhir.Identifier `yaml:"identifiers,omitempty"` // by which ServiceRequest.performer may name it
}

// LogConfig says how much is logged.
type LogConfig struct {
	Level string `yaml:"level,omitempty"` // debug, info (default), warn or error
}

// DefaultListen is where the adapter listens unless it is told.
const DefaultListen = "127.0.0.1:8080"

// Environment is the process's environment; this file alone reads it.
type Environment map[string]string

// Environ is the environment of this process.
func Environ() Environment {
	env := Environment{}
	for _, pair := range os.Environ() {
		name, value, _ := strings.Cut(pair, "=")
		env[name] = value
	}
	return env
}

// faults are everything that is wrong with a configuration.
type faults []string

func (f faults) Error() string {
	return fmt.Sprintf("the configuration has %d fault(s):\n  %s", len(f), strings.Join(f, "\n  "))
}

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
	r := &configReader{file: path, env: env, where: map[string]string{}}
	var cfg Config
	r.decode(content(&document), reflect.ValueOf(&cfg).Elem(), "")
	r.complete(&cfg)
	r.check(cfg)
	if len(r.faults) > 0 {
		return Config{}, r.faults
	}
	return cfg, nil
}

// complete fills in defaults and reads the secrets that stand in files.
func (r *configReader) complete(cfg *Config) {
	orDefault(&cfg.Listen, DefaultListen)
	orDefault(&cfg.Log.Level, "info")
	cfg.PublicURL = strings.TrimSuffix(cfg.PublicURL, "/")
	if cfg.Database.MaxConnections == 0 {
		cfg.Database.MaxConnections = 16
	}
	r.databaseURL("database.url", &cfg.Database.URL, cfg.Database.URLFile)
	r.databaseURL("database.owner_url", &cfg.Database.OwnerURL, cfg.Database.OwnerURLFile)
	for i := range cfg.Practices {
		for j := range cfg.Practices[i].Destinations {
			r.completeDestination(&cfg.Practices[i].Destinations[j], cfg.Practices[i].ODS, fmt.Sprintf("practices[%d].destinations[%d]", i, j))
		}
	}
}

func (r *configReader) completeDestination(d *DestinationConfig, ods, path string) {
	orDefault(&d.ID, ods)
	if d.Kind == KindFHIR {
		orDefault(&d.Mode, ModePUT)
	}
	if d.TokenFile != "" {
		d.Token = r.secret(path+".token_file", d.TokenFile)
	}
}

// databaseURL checks the URL, or reads it from its file.
func (r *configReader) databaseURL(path string, value *string, file string) {
	switch {
	case *value != "" && file != "":
		r.fault(path, "and %s_file contradict each other: keep one", path)
		return
	case file != "":
		*value = r.secret(path+"_file", file)
	}
	u, err := url.Parse(*value)
	switch {
	case *value == "":
		return
	case err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql":
		r.fault(path, "must be a URL such as postgres://caselink@db.example/caselink")
	case file == "" && hasPassword(u) && strings.HasPrefix(r.where[path], r.file):
		r.fault(path, "holds a password: put the URL into a file of its own and name it in %s_file, or into the environment", path)
	}
}

func hasPassword(u *url.URL) bool {
	_, inUser := u.User.Password()
	return inUser || u.Query().Has("password")
}

// secret reads a file that holds one line.
func (r *configReader) secret(path, file string) string {
	if !filepath.IsAbs(file) {
		file = filepath.Join(filepath.Dir(r.file), file)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		r.fault(path, "cannot be read: %v", err)
	}
	return strings.TrimSpace(string(text))
}

func orDefault(value *string, fallback string) {
	if *value == "" {
		*value = fallback
	}
}

// check finds what is missing, wrong or contradictory.
func (r *configReader) check(cfg Config) {
	if _, _, err := net.SplitHostPort(cfg.Listen); err != nil {
		r.fault("listen", "must be host:port, such as %s", DefaultListen)
	}
	r.checkBase("public_url", cfg.PublicURL)
	if cfg.Database.URL == "" && len(r.faults) == 0 {
		r.fault("database", "needs url or url_file")
	}
	if cfg.Database.MaxConnections < 0 {
		r.fault("database.max_connections", "must be at least 1")
	}
	if !slices.Contains([]string{"debug", "info", "warn", "error"}, cfg.Log.Level) {
		r.fault("log.level", "must be debug, info, warn or error")
	}
	r.checkIssuers(cfg.Issuers)
	r.checkServices(cfg.Services)
	r.checkPractices(cfg.Practices, cfg.Services)
}

// checkBase wants an absolute http URL that a path can be added to.
func (r *configReader) checkBase(path, value string) {
	u, err := url.Parse(value)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		r.fault(path, "must be an absolute URL without query, such as https://caselink.example")
	}
}

func (r *configReader) checkIssuers(issuers []IssuerConfig) {
	if len(issuers) == 0 {
		r.fault("issuers", "at least one is needed: nobody could send a referral")
	}
	seen := uniqueness{r: r}
	for i, issuer := range issuers {
		path := fmt.Sprintf("issuers[%d]", i)
		one := auth.Config{Issuers: []auth.Issuer{{URL: issuer.URL, Audience: issuer.Audience, Algorithms: issuer.Algorithms}}}
		if err := one.Check(); err != nil {
			r.fault(path, "%s", strings.ReplaceAll(err.Error(), "\n", "; "))
		}
		if issuer.TokenURL != "" {
			r.checkBase(path+".token_url", issuer.TokenURL)
		}
		seen.check(path+".url", issuer.URL)
	}
}

func (r *configReader) checkServices(services []ServiceConfig) {
	ids, identifiers := uniqueness{r: r}, uniqueness{r: r}
	for i, service := range services {
		path := fmt.Sprintf("services[%d]", i)
		r.need(path+".id", service.ID)
		r.need(path+".name", service.Name)
		ids.check(path+".id", service.ID)
		if service.ODS != "" {
			r.checkODS(path+".ods", service.ODS)
		}
		for j, id := range service.Identifiers {
			at := fmt.Sprintf("%s.identifiers[%d]", path, j)
			r.need(at+".value", id.Value)
			identifiers.check(at, id.System+"|"+id.Value)
		}
	}
}

func (r *configReader) checkPractices(practices []PracticeConfig, services []ServiceConfig) {
	codes, destinations := uniqueness{r: r}, uniqueness{r: r}
	for i, practice := range practices {
		path := fmt.Sprintf("practices[%d]", i)
		r.checkODS(path+".ods", practice.ODS)
		r.need(path+".name", practice.Name)
		codes.check(path+".ods", practice.ODS)
		known := func(s ServiceConfig) bool { return s.ID == practice.DefaultService }
		if practice.DefaultService != "" && !slices.ContainsFunc(services, known) {
			r.fault(path+".default_service", "%q is not the id of a service", practice.DefaultService)
		}
		for j, d := range practice.Destinations {
			at := fmt.Sprintf("%s.destinations[%d]", path, j)
			r.checkDestination(at, d)
			destinations.check(at+".id", d.ID)
		}
	}
}

func (r *configReader) checkDestination(path string, d DestinationConfig) {
	switch d.Kind {
	case KindFHIR:
		r.checkBase(path+".base", d.Base)
		if d.Mode != ModePUT && d.Mode != modePOST {
			r.fault(path+".mode", "must be put or post")
		}
	case kindNone:
		if d.Base != "" || d.Mode != "" || d.TokenFile != "" {
			r.fault(path, "kind none sends nothing: remove base, mode and token_file, or say kind: fhir")
		}
	default:
		r.fault(path+".kind", "must be fhir or none")
	}
}

// checkODS wants the code as it is compared: in capitals, without spaces.
func (r *configReader) checkODS(path, value string) {
	if code, err := nhs.ParseODSCode(value); err != nil || string(code) != value {
		r.fault(path, "must be an ODS code: 3 to 10 capital letters and digits")
	}
}

func (r *configReader) need(path, value string) {
	if value == "" {
		r.fault(path, "is needed")
	}
}

// uniqueness notes a fault for each value that comes again.
type uniqueness struct {
	r     *configReader
	first map[string]string
}

func (u *uniqueness) check(path, value string) {
	if u.first == nil {
		u.first = map[string]string{}
	}
	if first, again := u.first[value]; again {
		u.r.fault(path, "%q is that of %s too", value, first)
		return
	}
	u.first[value] = path
}

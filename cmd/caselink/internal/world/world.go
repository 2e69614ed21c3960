// Package world is the developer's world: the adapter, a private PostgreSQL, an issuer and
// GP systems as processes of their own, their demo data and their tokens.
package world

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"caselink.example/cmd/caselink/internal/config"
	"caselink.example/fhir"
	"caselink.example/fhir/nhs"
)

// DefaultFolder is where caselink dev keeps everything unless it is told.
const DefaultFolder = "var/dev"

// File is the name of the file, in the data folder, that says where everything is.
const File = "dev.json"

// World is DATA/dev.json: all that a client of the developer's world needs to know.
type World struct {
	FHIRBase    string            `json:"fhir_base"`
	CaseAPI     string            `json:"case_api"`
	Console     string            `json:"console"`
	Issuer      string            `json:"issuer"`
	TokenURL    string            `json:"token_url"`
	DatabaseURL string            `json:"database_url"` // the superuser's
	AdapterPID  int               `json:"adapter_pid"`
	ServeConfig string            `json:"serve_config"`
	Clients     map[string]Client `json:"clients"`
	GPSystems   map[string]string `json:"gp_systems"` // from ODS code to the base of its FHIR API
}

// Client is one client of the issuer.
type Client struct {
	ID      string `json:"client_id"`
	Secret  string `json:"client_secret"`
	Scope   string `json:"scope"`
	ODS     string `json:"ods,omitempty"`     // its practice
	Service string `json:"service,omitempty"` // the service whose cases it works
}

// The practices and services of the developer's world are fictional; their ODS codes
// are well-formed.
var (
	services = []config.Service{
		{ID: "Y99911", Name: "Riverside Social Prescribing", ODS: "Y99911", Identifiers: odsIdentifier("Y99911")},
		{ID: "Y99912", Name: "Northgate Link Workers", ODS: "Y99912", Identifiers: odsIdentifier("Y99912")},
	}
	practices = []config.Practice{
		{ODS: "Y99901", Name: "Bramley Green Surgery", DefaultService: "Y99911"},
		{ODS: "Y99902", Name: "Kestrel Road Practice", DefaultService: "Y99912"},
	}
)

func odsIdentifier(code string) []fhir.Identifier {
	return []fhir.Identifier{{System: nhs.SystemODS, Value: code}}
}

const (
	gpScope = "system/ServiceRequest.cruds system/Task.rs system/Observation.rs system/Patient.rs" +
		" system/Practitioner.rs system/PractitionerRole.rs system/Organization.rs system/Consent.rs system/Condition.rs" +
		" system/QuestionnaireResponse.rs system/Provenance.rs system/AuditEvent.rs system/Subscription.cruds"
	appScope   = "cases.read cases.write"
	adminScope = "admin"
)

// clients are the clients without their secrets.
func clients() map[string]Client {
	return map[string]Client{
		"gp-a":         {Scope: gpScope, ODS: practices[0].ODS},
		"gp-b":         {Scope: gpScope, ODS: practices[1].ODS},
		"linkworker":   {Scope: appScope, Service: services[0].ID},
		"linkworker-b": {Scope: appScope, Service: services[1].ID},
		"admin":        {Scope: adminScope},
	}
}

// claims are what the issuer says of the client in its tokens.
func (c Client) claims() map[string]any {
	claims := map[string]any{}
	if c.ODS != "" {
		claims["ods"] = c.ODS
	}
	if c.Service != "" {
		claims["services"] = []string{c.Service}
	}
	return claims
}

// addresses are where the parts listen.
type addresses struct{ adapter, gps, issuer string }

// newWorld says where everything is; data is the data folder.
func newWorld(data, seed, databaseURL string, at addresses) World {
	adapter, issuer := "http://"+at.adapter, "http://"+at.issuer
	w := World{
		FHIRBase: adapter + "/FHIR/R4", CaseAPI: adapter + "/api/v1", Console: adapter + "/console",
		Issuer: issuer, TokenURL: issuer + "/oauth2/token",
		DatabaseURL: databaseURL, ServeConfig: filepath.Join(data, "caselink.yaml"),
		Clients: map[string]Client{}, GPSystems: map[string]string{},
	}
	for name, client := range clients() {
		client.ID, client.Secret = name, secretOf(seed, name)
		w.Clients[name] = client
	}
	for _, p := range practices {
		w.GPSystems[p.ODS] = "http://" + at.gps + "/" + p.ODS + "/FHIR/R4"
	}
	return w
}

// serveConfig is the adapter's configuration in this world.
func (w World) serveConfig(listen, runtimeURL, ownerURL string) config.Config {
	cfg := config.Config{
		Listen: listen, PublicURL: w.PublicURL(), Services: services,
		Database: config.Database{URL: runtimeURL, OwnerURL: ownerURL},
		Issuers:  []config.Issuer{{URL: w.Issuer, TokenURL: w.TokenURL, Audience: w.FHIRBase}},
	}
	for _, p := range practices {
		p.Destinations = []config.Destination{{Kind: config.KindFHIR, Base: w.GPSystems[p.ODS], Mode: config.ModePUT}}
		cfg.Practices = append(cfg.Practices, p)
	}
	return cfg
}

// PublicURL is where clients reach the adapter.
func (w World) PublicURL() string { return w.FHIRBase[:len(w.FHIRBase)-len("/FHIR/R4")] }

// simulateConfig is the configuration of the stand-ins, which keep what they know in data.
func (w World) simulateConfig(data string, at addresses) config.Simulate {
	var cfg config.Simulate
	cfg.Issuer.Listen, cfg.Issuer.URL, cfg.Issuer.Audience = at.issuer, w.Issuer, w.FHIRBase
	cfg.Issuer.Folder = filepath.Join(data, "secrets", "issuer")
	for _, name := range slices.Sorted(maps.Keys(w.Clients)) {
		c := w.Clients[name]
		cfg.Issuer.Clients = append(cfg.Issuer.Clients, config.Client{ID: c.ID, Secret: c.Secret, Scope: c.Scope, Claims: c.claims()})
	}
	cfg.GPSystems.Listen, cfg.GPSystems.Folder = at.gps, filepath.Join(data, "gp-systems")
	for _, p := range practices {
		cfg.GPSystems.Practices = append(cfg.GPSystems.Practices, p.ODS)
	}
	return cfg
}

// readSeed is what all secrets of this world derive from; it is drawn once.
func readSeed(data string) (string, error) {
	path := filepath.Join(data, "secrets", "seed")
	seed, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		seed = []byte(rand.Text())
		err = writeAtomically(path, seed)
	}
	return string(seed), err
}

func secretOf(seed, client string) string {
	mac := hmac.New(sha256.New, []byte(seed))
	mac.Write([]byte(client))
	return hex.EncodeToString(mac.Sum(nil))
}

// Read reads the file that a running caselink dev keeps in its data folder.
func Read(data string) (World, error) {
	path := filepath.Join(data, File)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return World{}, fmt.Errorf("there is no %s: start caselink dev (make run) and wait until it is ready, or name its folder with --data", path)
	}
	if err != nil {
		return World{}, err
	}
	var w World
	if err := json.Unmarshal(text, &w); err != nil {
		return World{}, fmt.Errorf("%s: %w", path, err)
	}
	return w, nil
}

func (w World) write(data string) error {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false) // & in a URL stays readable
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(w); err != nil {
		return err
	}
	return writeAtomically(filepath.Join(data, File), text.Bytes())
}

func writeYAML(path, comment string, v any) error {
	text, err := yaml.Marshal(v)
	if err != nil {
		return err
	}
	return writeAtomically(path, append([]byte("# "+comment+"\n"), text...))
}

// writeAtomically replaces the file: who reads it sees the old one or the new one.
// Only its owner may read it.
func writeAtomically(path string, text []byte) error {
	draft, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	defer os.Remove(draft.Name()) // gone already when all went well
	if _, err := draft.Write(text); err != nil {
		return err
	}
	if err := draft.Close(); err != nil {
		return err
	}
	return os.Rename(draft.Name(), path)
}

// reachable is the address at which clients on this machine reach a listener.
func reachable(ln net.Listener) string {
	address := ln.Addr().(*net.TCPAddr) // the listeners of this program are TCP's
	if address.IP.IsUnspecified() {
		return net.JoinHostPort("127.0.0.1", fmt.Sprint(address.Port))
	}
	return address.String()
}

// Resource is a location without its version.
func Resource(location string) string {
	r, _, _ := strings.Cut(location, "/_history/")
	return r
}

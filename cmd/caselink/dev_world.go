package main

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

	"go.yaml.in/yaml/v3"

	"caselink.example/fhir"
	"caselink.example/fhir/nhs"
)

const defaultData = "var/dev"

// devFile is the name of the file, in the data folder, that says where everything is.
const devFile = "dev.json"

// devWorld is DATA/dev.json: all that a client of the developer's world needs to know.
type devWorld struct {
	FHIRBase    string               `json:"fhir_base"`
	CaseAPI     string               `json:"case_api"`
	Console     string               `json:"console"`
	Issuer      string               `json:"issuer"`
	TokenURL    string               `json:"token_url"`
	DatabaseURL string               `json:"database_url"` // the superuser's
	AdapterPID  int                  `json:"adapter_pid"`
	ServeConfig string               `json:"serve_config"`
	Clients     map[string]devClient `json:"clients"`
	GPSystems   map[string]string    `json:"gp_systems"` // from ODS code to the base of its FHIR API
}

// devClient is one client of the issuer.
type devClient struct {
	ID      string `json:"client_id"`
	Secret  string `json:"client_secret"`
	Scope   string `json:"scope"`
	ODS     string `json:"ods,omitempty"`     // its practice
	Service string `json:"service,omitempty"` // the service whose cases it works
}

// The practices and services of the developer's world are fictional; their ODS codes
// are well-formed.
var (
	devServices = []ServiceConfig{
		{ID: "Y99911", Name: "Riverside Social Prescribing", ODS: "Y99911", Identifiers: odsIdentifier("Y99911")},
		{ID: "Y99912", Name: "Northgate Link Workers", ODS: "Y99912", Identifiers: odsIdentifier("Y99912")},
	}
	devPractices = []PracticeConfig{
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

// devClients are the clients without their secrets.
func devClients() map[string]devClient {
	return map[string]devClient{
		"gp-a":         {Scope: gpScope, ODS: devPractices[0].ODS},
		"gp-b":         {Scope: gpScope, ODS: devPractices[1].ODS},
		"linkworker":   {Scope: appScope, Service: devServices[0].ID},
		"linkworker-b": {Scope: appScope, Service: devServices[1].ID},
		"admin":        {Scope: adminScope},
	}
}

// claims are what the issuer says of the client in its tokens.
func (c devClient) claims() map[string]any {
	claims := map[string]any{}
	if c.ODS != "" {
		claims["ods"] = c.ODS
	}
	if c.Service != "" {
		claims["services"] = []string{c.Service}
	}
	return claims
}

// devAddresses are where the parts listen.
type devAddresses struct{ adapter, gps, issuer string }

// newDevWorld says where everything is; data is the data folder.
func newDevWorld(data, seed, databaseURL string, at devAddresses) devWorld {
	adapter, issuer := "http://"+at.adapter, "http://"+at.issuer
	w := devWorld{
		FHIRBase: adapter + "/FHIR/R4", CaseAPI: adapter + "/api/v1", Console: adapter + "/console",
		Issuer: issuer, TokenURL: issuer + "/oauth2/token",
		DatabaseURL: databaseURL, ServeConfig: filepath.Join(data, "caselink.yaml"),
		Clients: map[string]devClient{}, GPSystems: map[string]string{},
	}
	for name, client := range devClients() {
		client.ID, client.Secret = name, secretOf(seed, name)
		w.Clients[name] = client
	}
	for _, p := range devPractices {
		w.GPSystems[p.ODS] = "http://" + at.gps + "/" + p.ODS + "/FHIR/R4"
	}
	return w
}

// serveConfig is the adapter's configuration in this world.
func (w devWorld) serveConfig(listen, runtimeURL, ownerURL string) Config {
	cfg := Config{
		Listen: listen, PublicURL: w.publicURL(), Services: devServices,
		Database: DatabaseConfig{URL: runtimeURL, OwnerURL: ownerURL},
		Issuers:  []IssuerConfig{{URL: w.Issuer, TokenURL: w.TokenURL, Audience: w.FHIRBase}},
	}
	for _, p := range devPractices {
		p.Destinations = []DestinationConfig{{Kind: kindFHIR, Base: w.GPSystems[p.ODS], Mode: modePUT}}
		cfg.Practices = append(cfg.Practices, p)
	}
	return cfg
}

func (w devWorld) publicURL() string { return w.FHIRBase[:len(w.FHIRBase)-len("/FHIR/R4")] }

// simulateConfig is the configuration of the stand-ins, which keep what they know in data.
func (w devWorld) simulateConfig(data string, at devAddresses) SimulateConfig {
	var cfg SimulateConfig
	cfg.Issuer.Listen, cfg.Issuer.URL, cfg.Issuer.Audience = at.issuer, w.Issuer, w.FHIRBase
	cfg.Issuer.Folder = filepath.Join(data, "secrets", "issuer")
	for _, name := range slices.Sorted(maps.Keys(w.Clients)) {
		c := w.Clients[name]
		cfg.Issuer.Clients = append(cfg.Issuer.Clients, ClientConfig{ID: c.ID, Secret: c.Secret, Scope: c.Scope, Claims: c.claims()})
	}
	cfg.GPSystems.Listen, cfg.GPSystems.Folder = at.gps, filepath.Join(data, "gp-systems")
	for _, p := range devPractices {
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

// readDevWorld reads the file that a running caselink dev keeps in its data folder.
func readDevWorld(data string) (devWorld, error) {
	path := filepath.Join(data, devFile)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return devWorld{}, fmt.Errorf("there is no %s: start caselink dev (make run) and wait until it is ready, or name its folder with --data", path)
	}
	if err != nil {
		return devWorld{}, err
	}
	var w devWorld
	if err := json.Unmarshal(text, &w); err != nil {
		return devWorld{}, fmt.Errorf("%s: %w", path, err)
	}
	return w, nil
}

func (w devWorld) write(data string) error {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false) // & in a URL stays readable
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(w); err != nil {
		return err
	}
	return writeAtomically(filepath.Join(data, devFile), text.Bytes())
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

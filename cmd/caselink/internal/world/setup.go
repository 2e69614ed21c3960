package world

import (
	"maps"
	"path/filepath"
	"slices"

	"caselink.example/cmd/caselink/internal/config"
	"caselink.example/fhir"
	"caselink.example/fhir/nhs"
)

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

// newWorld says where everything is; data is the data folder.
func newWorld(data, seed, databaseURL string, at addresses) World {
	adapter, issuer := "http://"+at.adapter, "http://"+at.issuer
	w := World{
		FHIRBase: adapter + "/FHIR/R4", CaseAPI: adapter + "/api/v1", Console: adapter + "/console",
		Issuer: issuer, TokenURL: issuer + "/oauth2/token",
		DatabaseURL: databaseURL, ServeConfig: filepath.Join(data, "caselink.yaml"),
		Clients: map[string]Client{}, GPSystems: map[string]string{},
	}
	// Secrets derive from one seed, so that they are the same after each restart: a client
	// that a developer has set up by hand goes on working.
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
		// p is a copy: practices stays as it is for the next world.
		p.Destinations = []config.Destination{{Kind: config.KindFHIR, Base: w.GPSystems[p.ODS], Mode: config.ModePUT}}
		cfg.Practices = append(cfg.Practices, p)
	}
	return cfg
}

// simulateConfig is the configuration of the stand-ins, which keep what they know in data.
func (w World) simulateConfig(data string, at addresses) config.Simulate {
	var cfg config.Simulate
	cfg.Issuer.Listen, cfg.Issuer.URL, cfg.Issuer.Audience = at.issuer, w.Issuer, w.FHIRBase
	cfg.Issuer.Folder = filepath.Join(data, "secrets", "issuer")
	for _, name := range slices.Sorted(maps.Keys(w.Clients)) {
		c := w.Clients[name]
		known := config.Client{ID: c.ID, Secret: c.Secret, Scope: c.Scope, Claims: c.claims()}
		cfg.Issuer.Clients = append(cfg.Issuer.Clients, known)
	}
	cfg.GPSystems.Listen, cfg.GPSystems.Folder = at.gps, filepath.Join(data, "gp-systems")
	for _, p := range practices {
		cfg.GPSystems.Practices = append(cfg.GPSystems.Practices, p.ODS)
	}
	return cfg
}

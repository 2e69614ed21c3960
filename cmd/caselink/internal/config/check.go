package config

import (
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"

	"caselink.example/connectors/api/auth"
	"caselink.example/fhir/nhs"
)

// check finds what is missing, wrong or contradictory.
func (r *reader) check(cfg Config) {
	if _, _, err := net.SplitHostPort(cfg.Listen); err != nil {
		r.fault("listen", "must be host:port, such as %s", DefaultListen)
	}
	r.checkBase("public_url", cfg.PublicURL)
	// A URL that cannot be read or is no URL is a fault already; "needs url" would send the
	// reader to the wrong line.
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
func (r *reader) checkBase(path, value string) {
	u, err := url.Parse(value)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" ||
		u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		r.fault(path, "must be an absolute URL without query, such as https://caselink.example")
	}
}

func (r *reader) checkIssuers(issuers []Issuer) {
	if len(issuers) == 0 {
		r.fault("issuers", "at least one is needed: nobody could send a referral")
	}
	seen := uniqueness{r: r}
	for i, issuer := range issuers {
		path := fmt.Sprintf("issuers[%d]", i)
		// One by one, so that a fault has the line of its issuer. What makes an issuer safe
		// to trust is auth's to say.
		one := auth.Issuer{URL: issuer.URL, Audience: issuer.Audience, Algorithms: issuer.Algorithms}
		if err := (auth.Config{Issuers: []auth.Issuer{one}}).Check(); err != nil {
			r.fault(path, "%s", strings.ReplaceAll(err.Error(), "\n", "; "))
		}
		if issuer.TokenURL != "" {
			r.checkBase(path+".token_url", issuer.TokenURL)
		}
		seen.check(path+".url", issuer.URL)
	}
}

func (r *reader) checkServices(services []Service) {
	ids, identifiers := uniqueness{r: r}, uniqueness{r: r}
	for i, service := range services {
		path := fmt.Sprintf("services[%d]", i)
		r.need(path+".id", service.ID)
		r.need(path+".name", service.Name)
		ids.check(path+".id", service.ID)
		if service.ODS != "" {
			r.checkODS(path+".ods", service.ODS)
		}
		// With an identifier of two services the order of the file would decide which one gets a referral.
		for j, id := range service.Identifiers {
			at := fmt.Sprintf("%s.identifiers[%d]", path, j)
			r.need(at+".value", id.Value)
			identifiers.check(at, id.System+"|"+id.Value)
		}
	}
}

func (r *reader) checkPractices(practices []Practice, services []Service) {
	codes, destinations := uniqueness{r: r}, uniqueness{r: r}
	for i, practice := range practices {
		path := fmt.Sprintf("practices[%d]", i)
		r.checkODS(path+".ods", practice.ODS)
		r.need(path+".name", practice.Name)
		codes.check(path+".ods", practice.ODS)
		known := func(s Service) bool { return s.ID == practice.DefaultService }
		if practice.DefaultService != "" && !slices.ContainsFunc(services, known) {
			r.fault(path+".default_service", "%q is not the id of a service", practice.DefaultService)
		}
		// Destinations are unique among all practices: what is owed, its lane and its token
		// are found by this id alone.
		for j, d := range practice.Destinations {
			at := fmt.Sprintf("%s.destinations[%d]", path, j)
			r.checkDestination(at, d)
			destinations.check(at+".id", d.ID)
		}
	}
}

func (r *reader) checkDestination(path string, d Destination) {
	switch d.Kind {
	case KindFHIR:
		r.checkBase(path+".base", d.Base)
		if d.Mode != ModePUT && d.Mode != modePOST {
			r.fault(path+".mode", "must be put or post")
		}
	case KindNone:
		// Settings that do nothing are a fault: whoever wrote them expects write-backs.
		if d.Base != "" || d.Mode != "" || d.TokenFile != "" {
			r.fault(path, "kind none sends nothing: remove base, mode and token_file, or say kind: fhir")
		}
	default:
		r.fault(path+".kind", "must be fhir or none")
	}
}

// checkODS wants the code as it is compared: in capitals, without spaces.
func (r *reader) checkODS(path, value string) {
	if code, err := nhs.ParseODSCode(value); err != nil || string(code) != value {
		r.fault(path, "must be an ODS code: 3 to 10 capital letters and digits")
	}
}

func (r *reader) need(path, value string) {
	if value == "" {
		r.fault(path, "is needed")
	}
}

// uniqueness notes a fault for each value that comes again.
type uniqueness struct {
	r     *reader
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

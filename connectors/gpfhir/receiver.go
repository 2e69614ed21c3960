// Package gpfhir writes what is owed into a GP system that speaks FHIR R4: a
// Task or an Observation, by PUT to an id that Caselink chose or by conditional POST.
//
// Only a complete 200, 201 or 204 that is about the very event that was sent
// counts. A version conflict is read back and compared by event, so that a late
// repeat never restores an old status.
//
// https://hl7.org/fhir/R4/http.html#update and #ccreate. Words: docs/words.md.
package gpfhir

import (
	"context"
	"net"
	"net/url"
	"strings"

	"caselink.example/connectors/delivery"
	"caselink.example/connectors/httpclient"
	"caselink.example/fhir"
)

// Mode is how a GP system takes resources.
type Mode string

// The modes.
const (
	Put  Mode = "put"  // one resource under an id that Caselink chose, and its versions
	Post Mode = "post" // a resource of its own for each event
)

// Config says where one destination is and what it takes.
type Config struct {
	Base string // absolute URL of its FHIR API: https, or http on this machine
	Mode Mode   // Put when empty

	// Token returns the access token for this destination, and a new one when it
	// is given the token that was just refused. nil: the destination takes none.
	Token func(ctx context.Context, refused string) (string, error)

	// AuthAttempts is how many attempts of an item may end in 401 or 403 before it
	// is parked; 20 when zero, an hour or two of delivery's pauses: long enough for an
	// issuer's outage or a change of keys, which need nobody's decision.
	AuthAttempts int
}

// Receiver is one GP system as connectors/delivery sees it.
type Receiver struct {
	cfg    Config
	base   string // without a slash at the end
	client *httpclient.Client
}

var _ delivery.Receiver = (*Receiver)(nil)

// New returns the Receiver, or says what is wrong with the configuration.
func New(cfg Config, client *httpclient.Client) (*Receiver, error) {
	base, err := url.Parse(cfg.Base)
	switch {
	case err != nil, base.Host == "", base.User != nil, base.RawQuery != "", base.Fragment != "":
		return nil, fhir.Errorf(fhir.IssueInvalid, "the base of a GP system is an absolute URL without user, query and fragment")
	// Patient data goes there, and a token.
	case base.Scheme != "https" && (base.Scheme != "http" || !isLoopback(base.Hostname())):
		return nil, fhir.Errorf(fhir.IssueInvalid, "the base of a GP system on another machine is an https URL")
	}
	switch cfg.Mode {
	case "":
		cfg.Mode = Put
	case Put, Post:
	default:
		return nil, fhir.Errorf(fhir.IssueInvalid, "the mode of a GP system is put or post")
	}
	if cfg.AuthAttempts <= 0 {
		cfg.AuthAttempts = 20
	}
	return &Receiver{cfg: cfg, base: strings.TrimRight(cfg.Base, "/"), client: client}, nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Send writes the item's bytes once, or finds that the GP system has them already.
func (r *Receiver) Send(ctx context.Context, item delivery.Item) (delivery.Answer, error) {
	mine, ok := parse(item.Body)

	// Bytes that are not what they are owed as would be filed under another id, or in
	// another patient's record; a parked lane is the lesser harm.
	event := mine.value(fhir.SystemEvent)
	if !ok || mine.Type != item.ResourceType || mine.ID != item.ResourceID ||
		mine.identity() == "" || event != "" && event != item.EventID {
		return delivery.Answer{}, fhir.Errorf(fhir.IssueInvalid,
			"what is owed is no %s with the id and the identifier that it is owed under: report it", item.ResourceType,
		).At(item.ResourceType)
	}

	x := exchange{Receiver: r, item: item, mine: mine}
	if r.cfg.Mode == Post {
		return x.post(ctx)
	}
	return x.put(ctx)
}

// Package gpfhir writes what is owed into a GP system that speaks FHIR R4: a
// Task or an Observation, by PUT to an id of ours or by conditional POST.
//
// Only a complete 200, 201 or 204 that is about the very event that was sent
// counts. A version conflict is read back and compared by event, so that a late
// repeat never restores an old status.
//
// https://hl7.org/fhir/R4/http.html#update and #ccreate
package gpfhir

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/google/uuid"

	"caselink.example/connectors/delivery"
	"caselink.example/connectors/httpclient"
	"caselink.example/fhir"
)

// Mode is how a GP system takes resources.
type Mode string

// The modes.
const (
	Put  Mode = "put"  // one resource with an id of ours and its versions
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
	// is parked; 20 when zero, an hour or two of delivery's pauses.
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
	if !ok || !mine.isOwedAs(item) {
		return delivery.Answer{}, fhir.Errorf(fhir.IssueInvalid,
			"what is owed is no %s with the id and the identifier that it is owed under: report it", item.ResourceType).At(item.ResourceType)
	}
	x := exchange{Receiver: r, item: item, mine: mine}
	if r.cfg.Mode == Post {
		return x.post(ctx)
	}
	return x.put(ctx)
}

func (r resource) isOwedAs(item delivery.Item) bool {
	event := r.value(fhir.SystemEvent)
	return r.Type == item.ResourceType && r.ID == item.ResourceID && r.identity() != "" && (event == "" || event == item.EventID)
}

// exchange is one attempt to hand over one item.
type exchange struct {
	*Receiver
	item delivery.Item
	mine resource // what the item's body says
}

// write sends the item's bytes under a condition, such as If-Match.
func (x exchange) write(ctx context.Context, method, url string, condition ...string) (httpclient.Response, error) {
	h := x.header(x.item.RequestID)
	h.Set("Content-Type", "application/fhir+json")
	h.Set("Prefer", "return=representation")
	for i := 0; i+1 < len(condition); i += 2 {
		h.Set(condition[i], condition[i+1])
	}
	return x.call(ctx, httpclient.Request{Method: method, URL: url, Header: h, Body: x.item.Body})
}

// get reads under a request id of its own: a GP system that answers a repeated id
// from memory would answer with what it said to the write.
func (x exchange) get(ctx context.Context, url string) (httpclient.Response, error) {
	id := uuid.NewSHA1(uuid.NameSpaceOID, []byte(x.item.RequestID+"/read")).String()
	return x.call(ctx, httpclient.Request{Method: http.MethodGet, URL: url, Header: x.header(id)})
}

func (x exchange) header(requestID string) http.Header {
	h := http.Header{}
	h.Set("Accept", "application/fhir+json")
	h.Set("X-Request-Id", requestID)
	if x.item.CorrelationID != "" {
		h.Set("X-Correlation-Id", x.item.CorrelationID)
	}
	return h
}

// call makes the call with the destination's token; a 401 is worth one new token.
func (x exchange) call(ctx context.Context, req httpclient.Request) (httpclient.Response, error) {
	if x.cfg.Token == nil {
		return x.client.Do(ctx, req)
	}
	resp, token, err := x.callAs(ctx, req, "")
	if resp.Status == http.StatusUnauthorized {
		resp, _, err = x.callAs(ctx, req, token)
	}
	return resp, err
}

func (x exchange) callAs(ctx context.Context, req httpclient.Request, refused string) (httpclient.Response, string, error) {
	token, err := x.cfg.Token(ctx, refused)
	if err != nil {
		return httpclient.Response{}, "", fhir.Errorf(fhir.IssueTransient, "no access token for the GP system").Because(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := x.client.Do(ctx, req)
	return resp, token, err
}

func (x exchange) instance() string {
	return fmt.Sprintf("%s/%s/%s", x.base, x.item.ResourceType, url.PathEscape(x.item.ResourceID))
}

func (x exchange) search() string {
	return fmt.Sprintf("%s/%s?identifier=%s", x.base, x.item.ResourceType, url.QueryEscape(x.mine.identity()))
}

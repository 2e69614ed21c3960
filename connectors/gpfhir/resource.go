package gpfhir

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"time"

	"caselink.example/fhir"
	"caselink.example/mapping/cases"
)

// resource is the little of an answer that says which event it is about. It is
// read leniently and never stored, so that an element of the GP system's own
// beside it makes no delivery fail.
type resource struct {
	Type string `json:"resourceType"`
	ID   string `json:"id"`
	Meta struct {
		VersionID string `json:"versionId"`
	} `json:"meta"`
	Identifier []fhir.Identifier `json:"identifier"`
	Status     string            `json:"status"`
	Issued     string            `json:"issued"`
	Issue      []issue           `json:"issue"`
	Entry      []struct {
		Resource json.RawMessage `json:"resource"`
	} `json:"entry"`

	raw []byte
}

type issue struct {
	Severity string `json:"severity"`
	Code     string `json:"code"`
}

func parse(raw []byte) (resource, bool) {
	r := resource{raw: raw}
	if err := json.Unmarshal(raw, &r); err != nil || r.Type == "" {
		return resource{}, false
	}
	return r, true
}

func (r resource) value(system string) string {
	for _, id := range r.Identifier {
		if id.System == system {
			return id.Value
		}
	}
	return ""
}

// identity is the token that finds the resource again: the event of a Task, the
// outcome of an Observation; "" when it has neither.
func (r resource) identity() string {
	for _, system := range []string{fhir.SystemEvent, fhir.SystemOutcome} {
		if v := r.value(system); v != "" {
			return system + "|" + v
		}
	}
	return ""
}

// failed reports an OperationOutcome that is a refusal, whatever the status says.
func (r resource) failed() bool {
	return r.Type == "OperationOutcome" && slices.ContainsFunc(r.Issue, func(i issue) bool {
		return i.Severity != "information" && i.Severity != "warning"
	})
}

// issueTypes are the codes that are repeated in an error: only these, for a GP
// system may write anything there. https://hl7.org/fhir/R4/valueset-issue-type.html
var issueTypes = strings.Fields(`invalid structure required value invariant security login unknown expired forbidden
	suppressed processing not-supported duplicate multiple-matches not-found deleted too-long code-invalid extension
	too-costly business-rule conflict transient lock-error no-store exception timeout incomplete throttled informational`)

// codes lists the issue types of an OperationOutcome, such as " (required, value)".
func (r resource) codes() string {
	var codes []string
	for _, i := range r.Issue {
		if slices.Contains(issueTypes, i.Code) && !slices.Contains(codes, i.Code) {
			codes = append(codes, i.Code)
		}
	}
	if len(codes) == 0 {
		return ""
	}
	return " (" + strings.Join(codes, ", ") + ")"
}

// relation is how what the GP system holds stands to what is sent.
type relation int

const (
	foreign relation = iota // neither this event nor another one of the same resource
	absent                  // it holds nothing
	same
	earlier
	later
)

// maxAhead is how far ahead of the item's event a later one is looked for. A referral
// has tens of events; the bound keeps an answer about something else from costing
// more than some thousand hashes.
const maxAhead = 4096

// relate compares by event and not by version, which is the GP system's own count.
func (x exchange) relate(held *resource) relation {
	switch {
	case held == nil:
		return absent
	case held.Type != x.mine.Type, x.cfg.Mode == Put && held.ID != x.mine.ID:
		return foreign
	}

	// A Task names its event. The id of an event is a hash of the referral and its
	// sequence number, so the number is found by trying.
	if event := x.mine.value(fhir.SystemEvent); event != "" {
		found := held.value(fhir.SystemEvent)
		if found == event {
			return same
		}
		for seq := 1; found != "" && seq <= x.item.Seq+maxAhead; seq++ {
			if cases.EventID(x.item.Referral, seq) != found {
				continue
			}
			if seq < x.item.Seq {
				return earlier
			}
			return later
		}
		return foreign
	}

	// An Observation names its outcome alone, which a correction keeps. Equal scores are
	// the same before their moments are looked at, for a GP system may shorten those.
	if held.identity() != x.mine.identity() {
		return foreign
	}
	if x.mine.Status == held.Status && reflect.DeepEqual(x.mine.score(), held.score()) {
		return same
	}
	sent, errSent := time.Parse(time.RFC3339, x.mine.Issued)
	found, errFound := time.Parse(time.RFC3339, held.Issued)
	switch {
	case errSent != nil || errFound != nil:
		return foreign
	case found.Before(sent):
		return earlier
	case found.After(sent):
		return later
	}
	return foreign
}

// score is what an Observation says: value[x], why there is none, and components.
func (r resource) score() map[string]any {
	var all map[string]any
	if json.Unmarshal(r.raw, &all) != nil {
		return nil
	}
	for name := range all {
		if !strings.HasPrefix(name, "value") && name != "dataAbsentReason" && name != "component" {
			delete(all, name)
		}
	}
	return all
}

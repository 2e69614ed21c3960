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

// resource is the little of an answer that tells which event it is about. It is
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
	same
	earlier
	later
)

// maxAhead is how far ahead of the item's event a later one is looked for.
const maxAhead = 4096

func (x exchange) relate(current resource) relation {
	if current.Type != x.mine.Type || x.cfg.Mode == Put && current.ID != x.mine.ID {
		return foreign
	}
	if event := x.mine.value(fhir.SystemEvent); event != "" {
		return x.relateEvent(event, current.value(fhir.SystemEvent))
	}
	if current.identity() != x.mine.identity() {
		return foreign
	}
	return relateScore(x.mine, current)
}

// relateEvent orders events by their sequence, which their ids are made of.
func (x exchange) relateEvent(mine, current string) relation {
	switch {
	case current == mine:
		return same
	case current == "":
		return foreign
	}
	for seq := 1; seq <= x.item.Seq+maxAhead; seq++ {
		if cases.EventID(x.item.Referral, seq) != current {
			continue
		}
		if seq < x.item.Seq {
			return earlier
		}
		return later
	}
	return foreign
}

// relateScore orders the versions of one score by the moment at which each was
// issued. A GP system may shorten that moment, so equal scores are the same.
func relateScore(mine, current resource) relation {
	if mine.Status == current.Status && reflect.DeepEqual(mine.score(), current.score()) {
		return same
	}
	sent, errSent := time.Parse(time.RFC3339, mine.Issued)
	held, errHeld := time.Parse(time.RFC3339, current.Issued)
	switch {
	case errSent != nil || errHeld != nil:
		return foreign
	case held.Before(sent):
		return earlier
	case held.After(sent):
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

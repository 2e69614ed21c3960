package simulator

import (
	"encoding/json"
	"net/http"
	"sync"
	"time"

	"github.com/gin-gonic/gin"

	"caselink.example/fhir"
)

// fault is how a GP system misbehaves; the zero value is good behaviour. Down hits
// reads too, everything else writes alone. A fault stays until another replaces it
// or Count writes have met it.
type fault struct {
	Down            bool   `json:"down,omitempty"`              // the connection is cut
	DelayMS         int    `json:"delay_ms,omitempty"`          // before anything else
	Status          int    `json:"status,omitempty"`            // answered, nothing stored
	RetryAfter      string `json:"retry_after,omitempty"`       // header beside Status
	Redirect        string `json:"redirect,omitempty"`          // 302 (or Status) to there, nothing stored
	DropAfterCommit bool   `json:"drop_after_commit,omitempty"` // stored, then the connection is cut
	Body            string `json:"body,omitempty"`              // 200 with a body that is no acknowledgement
	Count           int    `json:"count,omitempty"`             // writes that it lasts; 0 for ever
}

// The bodies that are no acknowledgement. The first two come with nothing stored.
const (
	bodyOutcome   = "outcome"   // an OperationOutcome that reports an error
	bodyOther     = "other"     // a resource that was never sent
	bodyTruncated = "truncated" // half of the resource
)

const otherResource = `{"resourceType":"Basic","id":"another","code":{"text":"not what was sent"}}`

type faults struct {
	mu    sync.Mutex
	fault fault
}

func (f *faults) now() fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.fault
}

func (f *faults) set(to fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fault = to
}

// take is the fault that one write meets.
func (f *faults) take() fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	// Looked at and counted down under one lock: of two writes at once only one meets a
	// fault that has one write left.
	taken := f.fault
	if taken.Count == 1 {
		f.fault = fault{}
	} else if taken.Count > 1 {
		f.fault.Count--
	}
	return taken
}

// misbehaves acts out the part of the fault that precedes the commit, and reports
// whether the write is answered with it.
func (g *gpSystem) misbehaves(c *gin.Context, f fault) bool {
	// The delay holds no lock, so that a slow practice answers many clients slowly and not
	// one after the other. A client that has gone stores nothing: the delay stands before the commit.
	if f.DelayMS > 0 {
		select {
		case <-time.After(time.Duration(f.DelayMS) * time.Millisecond):
		case <-c.Request.Context().Done():
			cut()
		}
	}
	switch {
	case f.Down:
		cut()
	case f.Redirect != "":
		c.Header("Location", f.Redirect)
		c.Status(max(f.Status, http.StatusFound))

	// Any status on command, such as a 418 or a 507, that no rule of this system would give.
	case f.Status >= http.StatusBadRequest:
		if f.RetryAfter != "" {
			c.Header("Retry-After", f.RetryAfter)
		}
		c.Data(f.Status, fhirJSON, fhir.OperationOutcome(fhir.Errorf(fhir.IssueTransient, "fault on command")))
	case f.Status != 0:
		c.Status(f.Status)
	case f.Body == bodyOutcome:
		c.Data(http.StatusOK, fhirJSON, fhir.OperationOutcome(fhir.Errorf(fhir.IssueException, "fault on command")))
	case f.Body == bodyOther:
		c.Data(http.StatusOK, fhirJSON, []byte(otherResource))
	default:
		return false
	}
	return true
}

func (g *gpSystem) showFault(*gin.Context) (reply, error) { return showJSON(g.faults.now()) }

// setFault puts the fault of the body in place of the one in force.
func (g *gpSystem) setFault(c *gin.Context) (reply, error) {
	var asked struct {
		fault
		Clear bool `json:"clear"` // the same as an empty object
	}
	// A fault that is misspelled would be good behaviour, and the test that asked for it
	// would prove nothing.
	decoder := json.NewDecoder(c.Request.Body)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&asked); err != nil {
		return reply{}, fhir.Errorf(fhir.IssueStructure, "not a fault: GET $fault shows one").Because(err)
	}
	f := asked.fault
	switch {
	case asked.Clear:
		f = fault{}
	case f.Status != 0 && (f.Status < 200 || f.Status > 599):
		return reply{}, fhir.Errorf(fhir.IssueValue, "status is between 200 and 599")
	case f.Count < 0 || f.DelayMS < 0:
		return reply{}, fhir.Errorf(fhir.IssueValue, "count and delay_ms are not negative")
	case f.Body != "" && f.Body != bodyOutcome && f.Body != bodyOther && f.Body != bodyTruncated:
		return reply{}, fhir.Errorf(fhir.IssueValue, "body is outcome, other or truncated")
	}
	g.faults.set(f)
	return showJSON(f)
}

func showJSON(v any) (reply, error) {
	raw, err := json.Marshal(v)
	return reply{status: http.StatusOK, resource: raw}, err
}

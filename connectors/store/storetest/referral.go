package storetest

import (
	"crypto/sha256"
	"testing"
	"time"

	"github.com/google/uuid"

	"caselink.example/connectors/store"
	"caselink.example/fhir"
	"caselink.example/mapping/cases"
	"caselink.example/mapping/workflow"
)

// Noon is when everything of this package happens.
var Noon = time.Date(2026, 1, 12, 12, 0, 0, 0, time.UTC)

// Opening is the Change of a new referral of the practice for the service, known by
// the identifiers; without any, by one of its own. One Task is owed to the practice.
func Opening(ods, service string, identifiers ...string) workflow.Change {
	id, caseID, taskID := uuid.NewString(), uuid.NewString(), uuid.NewString()
	c := cases.Case{
		ID: caseID, Version: 1, Status: cases.Received, StatusSince: Noon, ReceivedAt: Noon, UpdatedAt: Noon,
		Referral: cases.Origin{ID: id, Practice: &ods}, Service: &cases.Party{ID: service},
		Needs:    []cases.Need{{Category: "loneliness-isolation"}},
		Outcomes: []cases.Outcome{}, Clocks: cases.Clocks{Received: Noon},
	}
	change := workflow.Change{
		Referral: workflow.Root{Holder: ods, ID: id, Service: service, Practice: ods, Seq: 1},
		Opening: &workflow.Opening{
			Digest:   sha256.Sum256([]byte(id)),
			Original: workflow.Original{MediaType: "application/fhir+json", Body: []byte("{ }")},
		},
		Resources: []fhir.Stored{version("ServiceRequest", id, 1), version("Task", taskID, 1)},
		Case:      c,
		Event: cases.Event{
			Seq: 1, Kind: cases.EventReceived, To: c.Status, Actor: cases.Actor{Name: "Example Surgery"}, OccurredAt: Noon,
		},
		Owed: []workflow.Owed{owed(ods, cases.EventID(id, 1), taskID, 1)},
		Audit: workflow.Audit{
			At: Noon, Action: "C", Holder: ods, Service: service, ResourceType: "ServiceRequest", ResourceID: id, Referral: id,
		},
	}
	if len(identifiers) == 0 {
		identifiers = []string{id}
	}
	for _, i := range identifiers {
		named := workflow.Identity{Kind: workflow.IdentityIdentifier, System: "s", Value: i}
		change.Opening.Identities = append(change.Opening.Identities, named)
	}
	return change
}

// version is a version of a resource that says no more than its type.
func version(resourceType, id string, n int) fhir.Stored {
	return fhir.Stored{
		Type: resourceType, Meta: fhir.Meta{ID: id, Version: n, LastUpdated: Noon}, JSON: []byte(`{"resourceType":"` + resourceType + `"}`),
	}
}

// owed is a version of a Task that the practice has not had yet.
func owed(ods, eventID, taskID string, n int) workflow.Owed {
	return workflow.Owed{
		Destination: ods, EventID: eventID, RequestID: uuid.NewString(), ResourceType: "Task", ResourceID: taskID, Version: n,
	}
}

// GP is the scope of a practice's system.
func GP(ods string) fhir.Scope {
	caller := fhir.Caller{Client: "gp-" + ods, Organisation: ods, RequestID: uuid.NewString()}
	return fhir.Scope{Role: fhir.RoleGP, Holder: ods, Caller: caller}
}

// App is the scope of the app of services.
func App(services ...string) fhir.Scope {
	return fhir.Scope{Role: fhir.RoleApp, Services: services, Caller: fhir.Caller{Client: "app"}}
}

// Referral stores a new referral and returns its Change.
func Referral(tb testing.TB, db *store.DB, ods, service string) workflow.Change {
	tb.Helper()
	c := Opening(ods, service)
	if known, err := db.Create(tb.Context(), GP(ods), c); err != nil || known != nil {
		tb.Fatalf("Create: known %v, error %v", known, err)
	}
	return c
}

// Accept moves the case of the Change to accepted.
func Accept(tb testing.TB, db *store.DB, c workflow.Change) {
	tb.Helper()
	if err := db.Update(tb.Context(), App(c.Referral.Service), c.Case.ID, Accepted); err != nil {
		tb.Fatalf("Update: %v", err)
	}
}

// Accepted decides the move to accepted, one more Task version owed.
func Accepted(cur workflow.Current) (workflow.Change, error) {
	ola := cases.Actor{Name: "Ola Example"}
	c, err := cur.Case.Move(cases.Move{To: cases.Accepted, Actor: ola}, Noon)
	if err != nil {
		return workflow.Change{}, err
	}
	root := cur.Referral
	root.Seq++
	task := version("Task", cur.Task.ID, cur.Task.Version+1)
	return workflow.Change{
		Referral: root, Case: c, Resources: []fhir.Stored{task},
		Event: cases.Event{
			Seq: root.Seq, Kind: cases.EventMoved, From: cur.Case.Status, To: c.Status, Actor: ola, OccurredAt: Noon,
		},
		Owed: []workflow.Owed{owed(root.Practice, cases.EventID(root.ID, root.Seq), task.ID, task.Version)},
		Audit: workflow.Audit{
			At: Noon, Action: "U", Holder: root.Holder, Service: root.Service,
			ResourceType: "Case", ResourceID: c.ID, Referral: root.ID,
		},
	}, nil
}

// Until waits until the query says true.
func Until(tb testing.TB, d Target, sql string) {
	tb.Helper()

	// Without a pause: each question is a new connection, which takes its time.
	deadline := time.Now().Add(timeout)
	for time.Now().Before(deadline) {
		if ok := Query[*bool](tb, d, sql); len(ok) > 0 && ok[0] != nil && *ok[0] {
			return
		}
	}
	tb.Fatalf("never became true: %s", sql)
}

package caseapi

import (
	"time"

	"caselink.example/connectors/api/auth"
	"caselink.example/connectors/api/caseview"
	"caselink.example/mapping/cases"
	"caselink.example/mapping/outcome"
)

// Answers of the API: openapi.yaml describes each member.
type (
	caseView struct {
		caseview.Case
		Moves []cases.State `json:"moves"`
	}
	caseList struct {
		Cases []caseView `json:"cases"`
		Next  string     `json:"next,omitempty"`
	}
	eventView struct {
		Position  *int64           `json:"position"`
		Seq       int              `json:"seq"`
		Case      string           `json:"case"`
		Kind      cases.EventKind  `json:"kind"`
		From      cases.State      `json:"from,omitempty"`
		To        cases.State      `json:"to"`
		Reason    *caseview.Reason `json:"reason,omitempty"`
		Actor     caseview.Actor   `json:"actor"`
		Outcome   string           `json:"outcome,omitempty"`
		At        time.Time        `json:"at"`
		RequestID string           `json:"requestId"`
	}
	eventList struct {
		Events []eventView `json:"events"`
	}
	traceView struct {
		Trace []caseview.Step `json:"trace"`
	}
	instrumentView struct {
		ID      string            `json:"id"`
		Title   string            `json:"title"`
		Licence string            `json:"licence"`
		Items   []itemView        `json:"items"`
		Total   *totalView        `json:"total,omitempty"`
		Safety  string            `json:"safety,omitempty"`
		Better  outcome.Direction `json:"better,omitempty"`
	}
	itemView struct {
		Code    string            `json:"code"`
		Text    string            `json:"text,omitempty"`
		Min     int               `json:"min"`
		Max     int               `json:"max"`
		MinText string            `json:"minText,omitempty"`
		MaxText string            `json:"maxText,omitempty"`
		Better  outcome.Direction `json:"better,omitempty"`
		Decimal bool              `json:"decimal,omitempty"`
	}
	totalView struct {
		Min int `json:"min"`
		Max int `json:"max"`
	}
	instrumentList struct {
		Instruments []instrumentView `json:"instruments"`
	}
)

// viewCase is the case as a caller with the scopes may see it, and the moves that are
// legal for them now.
func viewCase(scopes auth.Scopes, c cases.Case) caseView {
	if !scopes.Has(ScopeSensitive) {
		c = c.Redacted()
	}
	moves := cases.Moves(c.Status)
	if !scopes.Has(ScopeWrite) {
		moves = []cases.State{}
	}
	return caseView{Case: caseview.Of(c), Moves: moves}
}

func viewEvents(events []cases.StoredEvent) eventList {
	list := eventList{Events: make([]eventView, len(events))}
	for i, e := range events {
		list.Events[i] = eventView{
			Position: e.Position, Seq: e.Seq, Case: e.Case, Kind: e.Kind, From: e.From, To: e.To, Reason: (*caseview.Reason)(e.Reason),
			Actor: caseview.Actor(e.Actor), Outcome: e.OutcomeID, At: e.OccurredAt, RequestID: e.RequestID,
		}
	}
	return list
}

func viewInstrument(in outcome.Instrument) instrumentView {
	view := instrumentView{
		ID: in.ID, Title: in.Title, Licence: in.Licence, Items: make([]itemView, len(in.Items)), Total: (*totalView)(in.Total),
		Safety: in.Safety, Better: in.Better,
	}
	for i, item := range in.Items {
		view.Items[i] = itemView(item)
	}
	return view
}

func viewInstruments(all outcome.Instruments) instrumentList {
	list := instrumentList{Instruments: make([]instrumentView, len(all))}
	for i, in := range all {
		list.Instruments[i] = viewInstrument(in)
	}
	return list
}

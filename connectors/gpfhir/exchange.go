package gpfhir

import (
	"context"
	"net/http"

	"caselink.example/connectors/delivery"
	"caselink.example/connectors/httpclient"
	"caselink.example/fhir"
)

// exchange is one attempt to hand over one item.
type exchange struct {
	*Receiver
	item delivery.Item
	mine resource // what the item's body says
}

// put updates the resource from the version that the GP system acknowledged last,
// or creates it.
func (x exchange) put(ctx context.Context) (delivery.Answer, error) {
	resp, err := x.write(ctx, http.MethodPut, x.instance(), condition(x.item.ETag)...)
	if !isConflict(resp) {
		return x.judge(ctx, resp, err)
	}

	// The condition did not hold, which says only that the version is not the one that
	// was expected: an attempt whose answer was lost may have made it. Writing anew
	// without looking would repeat a version, or undo a later one.
	held, answer, err := x.read(ctx)
	if err != nil {
		return answer, err
	}

	// It holds             so                      because
	// nothing              create it               it was never there, or was removed since
	// this event           acknowledged            an earlier attempt arrived and its answer was lost
	// a later event        superseded, unwritten   this is a late repeat: it would restore an old status
	// an earlier event     update from there       its version moved on without a new event, such as by a
	//                                              restore from backup, or its ETag never reached us
	// the same, no ETag    update without one      it keeps no versions: the order of the lane is the guard
	// anything else        parked                  the id is taken by something else: a person decides
	switch x.relate(held) {
	case absent:
		resp, err = x.write(ctx, http.MethodPut, x.instance(), condition("")...)
	case same:
		return answer, nil
	case later:
		answer.Superseded = true
		return answer, nil
	case earlier:
		var unless []string
		if answer.ETag != "" {
			unless = condition(answer.ETag)
		}
		resp, err = x.write(ctx, http.MethodPut, x.instance(), unless...)
	case foreign:
		return answer, x.final(fhir.IssueConflict, "the GP system holds something else under the id of the %s", x.item.ResourceType)
	}

	// Somebody else writes the resource at this moment. The pause of the lane decides
	// when to look again, for a loop here could go on for ever.
	if isConflict(resp) {
		return answerOf(resp), x.transient("the %s changes while it is written", x.item.ResourceType)
	}
	return x.judge(ctx, resp, err)
}

// condition is the header that lets a write pass only on top of the version, or, for
// "", only when there is nothing yet.
func condition(etag string) []string {
	if etag == "" {
		return []string{"If-None-Match", "*"}
	}
	return []string{"If-Match", etag}
}

// isConflict takes 409 like 412: FHIR servers answer a lost race with either.
// https://hl7.org/fhir/R4/http.html#concurrency
func isConflict(r httpclient.Response) bool {
	return r.Status == http.StatusConflict || r.Status == http.StatusPreconditionFailed
}

// post creates the resource unless the GP system has one with its identifier.
func (x exchange) post(ctx context.Context) (delivery.Answer, error) {
	resp, err := x.write(ctx, http.MethodPost, x.base+"/"+x.item.ResourceType, "If-None-Exist", "identifier="+x.mine.identity())
	if !isConflict(resp) {
		return x.judge(ctx, resp, err)
	}

	// A conditional create that finds several is a 412, as is what some systems call a
	// duplicate. It is acknowledged only if what was sent is really there.
	held, answer, err := x.read(ctx)
	if err != nil || x.relate(held) == same {
		return answer, err
	}
	return answer, x.final(fhir.IssueConflict, "the GP system refuses the %s as a duplicate and does not hold it", x.item.ResourceType)
}

// judge decides what the answer to a write means. Only one that is complete and
// about the very event that was sent counts; one that says too little is made certain
// of by a read.
func (x exchange) judge(ctx context.Context, resp httpclient.Response, err error) (delivery.Answer, error) {
	answer := answerOf(resp)
	switch {
	case resp.Status != http.StatusOK && resp.Status != http.StatusCreated && resp.Status != http.StatusNoContent:
		return answer, x.refused(resp, err)
	case err != nil: // the body was cut short: a gateway may have made up the status
		return answer, err
	}

	current, ok := parse(resp.Body)
	held := &current
	silent := len(resp.Body) == 0 || ok && current.Type == "OperationOutcome"
	switch {
	case ok && current.failed(): // some systems answer 200 to what they refuse
		return answer, x.transient("the GP system answered %d with errors%s", resp.Status, current.codes())

	// A version is named, so something was written: by PUT under our id, or by the POST
	// that created. A POST with 200 may have matched what somebody else sent.
	case silent && answer.ETag != "" && (x.cfg.Mode == Put || resp.Status == http.StatusCreated):
		return answer, nil

	case silent:
		if held, answer, err = x.read(ctx); err != nil {
			return answer, err
		}
	case !ok: // such as the page of a proxy
		return answer, x.transient("the GP system answered %d with something that is not FHIR", resp.Status)
	default:
		answer.ETag = etag(resp, current)
	}

	switch x.relate(held) {
	case same:
		return answer, nil
	case later:
		answer.Superseded = true
		return answer, nil
	case absent:
		return answer, x.transient("the GP system does not show what it acknowledged")
	case earlier:
		if x.cfg.Mode == Post { // If-None-Exist matched it, and will for ever
			return answer, x.final(fhir.IssueConflict,
				"the GP system holds an earlier version of the %s and takes no update", x.item.ResourceType)
		}
	}
	return answer, x.transient("the GP system answered about something else than the %s that was sent", x.item.ResourceType)
}

// read returns what the GP system holds now, nil for nothing. In Post mode that is
// the first match of a search by identifier that is what was sent, or else the first.
func (x exchange) read(ctx context.Context) (*resource, delivery.Answer, error) {
	address := x.instance()
	if x.cfg.Mode == Post {
		address = x.search()
	}
	resp, err := x.get(ctx, address)
	answer := answerOf(resp)
	switch {
	case resp.Status == http.StatusNotFound && x.cfg.Mode == Put:
		return nil, answer, nil
	case resp.Status != http.StatusOK:
		return nil, answer, x.refused(resp, err)
	case err != nil:
		return nil, answer, err
	}
	current, ok := parse(resp.Body)
	if !ok || current.Type == "OperationOutcome" || x.cfg.Mode == Post && current.Type != "Bundle" {
		return nil, answer, x.transient("the GP system did not show the %s", x.item.ResourceType)
	}
	if x.cfg.Mode == Put {
		answer.ETag = etag(resp, current)
		return &current, answer, nil
	}

	// The ETag of a search is that of the Bundle, if anything: the match brings none.
	var first *resource
	for _, entry := range current.Entry {
		match, ok := parse(entry.Resource)
		if ok && x.relate(&match) == same {
			return &match, answer, nil
		}
		if ok && first == nil {
			first = &match
		}
	}
	return first, answer, nil
}

// refused is the error for an answer that is no success: a transient one when the
// same bytes may be taken later, else one for a person. It quotes the status and
// the issue codes and nothing that the GP system wrote.
func (x exchange) refused(resp httpclient.Response, err error) error {
	if resp.Status == 0 {
		return err
	}
	outcome, _ := parse(resp.Body)
	says := "the GP system answered %d" + outcome.codes()
	switch s := resp.Status; {
	case s == http.StatusTooEarly:
		return fhir.Errorf(fhir.IssueTooEarly, says, s)
	case s == http.StatusTooManyRequests:
		return fhir.Errorf(fhir.IssueThrottled, says, s)

	// Below 400 are 202, which promises and does not say done, and redirects, which are
	// not followed: neither is a refusal of these bytes.
	case s == http.StatusRequestTimeout, s < 400, s >= 500:
		return x.transient(says, s)

	// Our credentials are at fault and not the item: it waits for them to be mended.
	case (s == http.StatusUnauthorized || s == http.StatusForbidden) && x.item.Attempt < x.cfg.AuthAttempts:
		return x.transient(says, s)
	case s == http.StatusUnauthorized:
		return x.final(fhir.IssueLogin, says+" to our credentials", s)
	case s == http.StatusForbidden:
		return x.final(fhir.IssueForbidden, says+" to our credentials", s)

	case s == http.StatusNotFound, s == http.StatusGone:
		return x.final(fhir.IssueNotFound, says, s)
	case s == http.StatusUnprocessableEntity:
		return x.final(fhir.IssueBusinessRule, says, s)
	}
	return x.final(fhir.IssueInvalid, says, resp.Status)
}

func (x exchange) transient(format string, args ...any) error {
	return fhir.Errorf(fhir.IssueTransient, format, args...).At(x.item.ResourceType)
}

func (x exchange) final(code fhir.Code, format string, args ...any) error {
	return fhir.Errorf(code, format+": settle it with the practice, then replay", args...).At(x.item.ResourceType)
}

func answerOf(resp httpclient.Response) delivery.Answer {
	return delivery.Answer{Status: resp.Status, ETag: resp.Header.Get("ETag"), RetryAfter: resp.RetryAfter}
}

// etag is that of the answer, or the one that its resource's version stands for.
func etag(resp httpclient.Response, r resource) string {
	if tag := resp.Header.Get("ETag"); tag != "" || r.Meta.VersionID == "" {
		return tag
	}
	return `W/"` + r.Meta.VersionID + `"`
}

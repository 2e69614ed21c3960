package gpfhir

import (
	"context"
	"net/http"

	"caselink.example/connectors/delivery"
	"caselink.example/connectors/httpclient"
	"caselink.example/fhir"
)

// put updates the resource from the version that the GP system acknowledged last,
// or creates it.
func (x exchange) put(ctx context.Context) (delivery.Answer, error) {
	resp, err := x.write(ctx, http.MethodPut, x.instance(), condition(x.item.ETag)...)
	if !isConflict(resp) {
		return x.settle(ctx, resp, err)
	}
	current, answer, err := x.read(ctx)
	if err != nil {
		return answer, err
	}
	relation := foreign
	if current != nil {
		relation = x.relate(*current)
	}
	switch {
	case current == nil:
		resp, err = x.write(ctx, http.MethodPut, x.instance(), condition("")...)
	case relation == same, relation == later:
		answer.Superseded = relation == later
		return answer, nil
	case relation == earlier && answer.ETag == "": // the GP system keeps no versions
		resp, err = x.write(ctx, http.MethodPut, x.instance())
	case relation == earlier:
		resp, err = x.write(ctx, http.MethodPut, x.instance(), condition(answer.ETag)...)
	default:
		return answer, x.final(fhir.IssueConflict, "the GP system holds something else under the id of the %s", x.item.ResourceType)
	}
	if isConflict(resp) {
		return answerOf(resp), x.transient("the %s changes while it is written", x.item.ResourceType)
	}
	return x.settle(ctx, resp, err)
}

func condition(etag string) []string {
	if etag == "" {
		return []string{"If-None-Match", "*"}
	}
	return []string{"If-Match", etag}
}

func isConflict(r httpclient.Response) bool {
	return r.Status == http.StatusConflict || r.Status == http.StatusPreconditionFailed
}

// post creates the resource unless the GP system has one with its identifier.
func (x exchange) post(ctx context.Context) (delivery.Answer, error) {
	resp, err := x.write(ctx, http.MethodPost, x.base+"/"+x.item.ResourceType, "If-None-Exist", "identifier="+x.mine.identity())
	if !isConflict(resp) {
		return x.settle(ctx, resp, err)
	}
	current, answer, err := x.read(ctx)
	switch {
	case err != nil:
		return answer, err
	case current != nil && x.relate(*current) == same:
		return answer, nil
	}
	return answer, x.final(fhir.IssueConflict, "the GP system refuses the %s as a duplicate and does not hold it", x.item.ResourceType)
}

// settle decides what an answer to a write means.
func (x exchange) settle(ctx context.Context, resp httpclient.Response, err error) (delivery.Answer, error) {
	switch resp.Status {
	case http.StatusOK, http.StatusCreated, http.StatusNoContent:
		if err != nil {
			return answerOf(resp), err
		}
		return x.acknowledged(ctx, resp)
	}
	return answerOf(resp), x.refused(resp, err)
}

// acknowledged looks whether the answer is about what was sent. When it says too
// little, the resource is read back.
func (x exchange) acknowledged(ctx context.Context, resp httpclient.Response) (delivery.Answer, error) {
	answer := answerOf(resp)
	current, ok := parse(resp.Body)
	silent := len(resp.Body) == 0 || ok && current.Type == "OperationOutcome"
	switch {
	case ok && current.failed():
		return answer, x.transient("the GP system answered %d with errors%s", resp.Status, current.codes())
	case silent && answer.ETag != "" && (x.cfg.Mode == Put || resp.Status == http.StatusCreated):
		return answer, nil
	case silent:
		return x.readBack(ctx)
	case !ok:
		return answer, x.transient("the GP system answered %d with something that is not FHIR", resp.Status)
	}
	answer.ETag = etag(resp, current)
	return x.compared(answer, current)
}

// readBack makes certain of a success whose answer said nothing.
func (x exchange) readBack(ctx context.Context) (delivery.Answer, error) {
	current, answer, err := x.read(ctx)
	switch {
	case err != nil:
		return answer, err
	case current == nil:
		return answer, x.transient("the GP system does not show what it acknowledged")
	}
	return x.compared(answer, *current)
}

func (x exchange) compared(answer delivery.Answer, current resource) (delivery.Answer, error) {
	switch x.relate(current) {
	case same:
		return answer, nil
	case later:
		answer.Superseded = true
		return answer, nil
	case earlier:
		if x.cfg.Mode == Post {
			return answer, x.final(fhir.IssueConflict, "the GP system holds an earlier version of the %s and takes no update", x.item.ResourceType)
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
	if x.cfg.Mode == Post {
		return x.match(current), answer, nil
	}
	answer.ETag = etag(resp, current)
	return &current, answer, nil
}

func (x exchange) match(bundle resource) *resource {
	var first *resource
	for _, entry := range bundle.Entry {
		current, ok := parse(entry.Resource)
		if ok && x.relate(current) == same {
			return &current
		}
		if ok && first == nil {
			first = &current
		}
	}
	return first
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

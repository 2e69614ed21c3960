package kit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/google/uuid"

	"caselink.example/conformance/kit/jsontree"
)

var peerMoves = map[string][]any{
	"received": {"accepted", "rejected"},
	"accepted": {"contacting", "active", "on-hold"},
	"active":   {"closed", "on-hold"},
	"closed":   {},
}

var taskStatuses = map[string]string{
	"received": "requested", "accepted": "accepted", "active": "in-progress", "closed": "completed",
}

func (sr *peerReferral) view(p *peer) object {
	out := maps.Clone(sr.caseDoc)
	out["status"], out["version"] = sr.status, json.Number(fmt.Sprint(sr.version))
	out["outcomes"], out["moves"] = sr.outcomes, peerMoves[sr.status]
	if p.is("a case speaks FHIR") {
		out["resourceType"] = "Task"
	}
	return out
}

func (p *peer) visible(who account) []*peerReferral {
	return slices.DeleteFunc(slices.Clone(p.referrals), func(x *peerReferral) bool {
		return x.service != who.service && !p.is("every service sees every case")
	})
}

func (p *peer) caseOf(r *http.Request, who account) (*peerReferral, error) {
	all := p.visible(who)
	if r.Method == "POST" && p.is("every service moves every case") {
		all = p.referrals
	}
	i := slices.IndexFunc(all, func(x *peerReferral) bool { return x.caseDoc["id"] == r.PathValue("id") })
	if i < 0 {
		return nil, refuse(404, "not-found", "", "not found")
	}
	return all[i], nil
}

func (p *peer) list(w http.ResponseWriter, _ *http.Request, who account) error {
	views := []any{}
	for _, sr := range p.visible(who) {
		if !p.is("cases are not listed") {
			views = append(views, sr.view(p))
		}
		if p.is("cases are listed twice") {
			views = append(views, sr.view(p))
		}
	}
	writeBody(w, 200, "application/json", object{"cases": views})
	return nil
}

func (p *peer) show(w http.ResponseWriter, r *http.Request, who account) error {
	sr, err := p.caseOf(r, who)
	if err != nil {
		return err
	}
	p.render(w, sr)
	return nil
}

func (p *peer) render(w http.ResponseWriter, sr *peerReferral) {
	w.Header().Set("ETag", fmt.Sprintf(`W/"%d"`, sr.version))
	writeBody(w, 200, "application/json", sr.view(p))
}

func (p *peer) transition(w http.ResponseWriter, r *http.Request, who account) error {
	sr, err := p.caseOf(r, who)
	if err != nil {
		return err
	}
	var move struct {
		To    string
		Actor map[string]any
	}
	if err := json.NewDecoder(r.Body).Decode(&move); err != nil {
		return refuse(400, "structure", "", "not JSON")
	}
	match := r.Header.Get("If-Match")
	switch {
	case match == "" && !p.is("If-Match is not needed"):
		return refuse(428, "required", "", "If-Match")
	case match != "" && match != fmt.Sprintf(`W/"%d"`, sr.version) && !p.is("a stale If-Match is accepted"):
		return refuse(412, "conflict", "", "stale")
	case move.Actor == nil && !p.is("nobody may move a case"):
		return refuse(400, "required", "actor.name", "who?")
	case sr.status == "closed" && p.is("a closed case reopens"):
	case !slices.Contains(peerMoves[sr.status], any(move.To)) && !p.is("every move is legal"):
		text := fmt.Sprint(peerMoves[sr.status])
		if p.is("the legal moves are not named") {
			text = "no"
		}
		return refuse(409, "conflict", "to", text)
	}
	sr.status = move.To
	if !p.is("a move does not count") {
		sr.version++
	}
	p.writeTask(sr, taskStatuses[move.To])
	p.render(w, sr)
	return nil
}

var ons4 = []string{"life-satisfaction", "worthwhile", "happy-yesterday", "anxious-yesterday"}

func (p *peer) record(w http.ResponseWriter, r *http.Request, who account) error {
	sr, err := p.caseOf(r, who)
	if err != nil {
		return err
	}
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	body, err := jsontree.ParseJSON(raw)
	if err != nil {
		return refuse(400, "structure", "", "not JSON")
	}
	answers := body.(object)["answers"].(object)
	faults := answerFaults(answers)
	if p.is("only the first answer's fault is told") && len(faults) > 0 {
		faults = faults[:1]
	}
	if len(faults) == 0 || p.is("answers that do not fit are kept") {
		if p.is("a zero answer is dropped") {
			delete(answers, "anxious-yesterday")
		}
		sr.outcomes = append(sr.outcomes, object{"id": uuid.NewString(), "answers": answers})
	}
	if len(faults) > 0 {
		return &refusal{400, faults}
	}
	p.writeObservations(sr, answers)
	writeBody(w, 201, "application/json", sr.outcomes[len(sr.outcomes)-1])
	return nil
}

func answerFaults(answers object) (faults []issue) {
	for _, name := range ons4 {
		n, ok := answers[name].(json.Number)
		if i, err := n.Int64(); !ok || err != nil || i < 0 || i > 10 {
			faults = append(faults, issue{"value", "answers." + name, "0 to 10"})
		}
	}
	for name := range answers {
		if !slices.Contains(ons4, name) {
			faults = append(faults, issue{"value", "answers", "unknown"})
		}
	}
	return faults
}

func (sr *peerReferral) identifier() any {
	for _, v := range jsontree.Member(sr.document, "identifier") {
		return v
	}
	return object{"system": "urn:ietf:rfc:3986", "value": "urn:uuid:" + sr.id}
}

func (sr *peerReferral) person() object {
	number := sr.caseDoc["patient"].(object)["nhsNumber"]
	return object{"identifier": object{"system": "https://fhir.nhs.uk/Id/nhs-number", "value": number}}
}

// writeTask puts the next state of the Task to the GP system, until it has it.
func (p *peer) writeTask(sr *peerReferral, status string) {
	task := object{
		"resourceType": "Task", "id": sr.taskID, "status": status, "intent": "order",
		"code": object{"coding": []any{object{"code": "fulfill"}}},
		"identifier": []any{
			object{"system": "https://caselink.example/fhir/Id/case", "value": sr.caseDoc["id"]},
			object{"system": "https://caselink.example/fhir/Id/event", "value": fmt.Sprint(sr.id, "-", sr.version)},
		},
		"focus": object{"reference": p.base + "/ServiceRequest/" + sr.id, "identifier": sr.identifier()},
		"for":   sr.person(), "authoredOn": peerTime,
		"requester": object{"display": "practice"}, "owner": object{"display": "service"},
		"businessStatus": object{"text": sr.status},
	}
	switch {
	case p.is("a state is left out") && status == "accepted":
		return
	case p.is("states arrive out of order") && status == "accepted":
		task["status"] = "in-progress"
	case p.is("states arrive out of order") && status == "in-progress":
		task["status"] = "accepted"
	case p.is("the focus is relative"):
		task["focus"] = object{"reference": "ServiceRequest/" + sr.id, "identifier": sr.identifier()}
	case p.is("the Task is based on a fragment"):
		task["basedOn"] = []any{object{"reference": "#referral"}}
	case p.is("the person is a fragment too"):
		task["for"].(object)["reference"] = "#patient"
	case p.is("an event has no identifier of its own"):
		task["identifier"].([]any)[1].(object)["value"] = sr.id
	case p.is("each state is a Task of its own"):
		sr.taskID, sr.taskETag = uuid.NewString(), ""
		task["id"] = sr.taskID
	}
	p.put(sr, "Task", task, &sr.taskETag)
	if p.is("a state arrives twice") && status == "accepted" {
		p.put(sr, "Task", task, &sr.taskETag)
	}
}

func (p *peer) writeObservations(sr *peerReferral, answers object) {
	sent := slices.Clone(ons4)
	if p.is("a sum is sent too") {
		sent = append(sent, "total")
		answers = maps.Clone(answers)
		answers["total"] = json.Number("20")
	}
	if p.is("an Observation is doubled") {
		sent = append(sent, "worthwhile")
	}
	for _, code := range sent {
		id := uuid.NewString()
		observation := object{
			"resourceType": "Observation", "id": id, "status": "final",
			"basedOn":    []any{object{"identifier": sr.identifier()}},
			"identifier": []any{object{"system": "https://caselink.example/fhir/Id/outcome", "value": id}},
			"category":   []any{object{"coding": []any{object{"code": "survey"}}}},
			"issued":     peerTime, "performer": []any{object{"display": "Lin Worker"}},
			"code": object{"coding": []any{
				object{"system": "https://caselink.example/fhir/CodeSystem/ons4", "code": code},
			}},
			"subject": sr.person(), "valueInteger": answers[code],
		}
		if answers[code] == json.Number("0") && p.is("a zero value is left out") {
			delete(observation, "valueInteger")
		}
		if p.is("scores are quantities") {
			delete(observation, "valueInteger")
			observation["valueQuantity"] = object{"value": answers[code]}
		}
		etag := ""
		p.put(sr, "Observation", observation, &etag)
	}
}

// put repeats until the GP system has the resource. After a 412 it reads back.
func (p *peer) put(sr *peerReferral, kind string, resource object, etag *string) {
	attempts := 20
	if p.is("what is unavailable is given up") {
		attempts = 1
	}
	for range attempts {
		id := resource["id"].(string)
		url := p.gp + "/" + sr.holder + "/FHIR/R4/" + kind + "/" + id
		req, err := http.NewRequest("PUT", url, strings.NewReader(jsontree.WriteJSON(resource)))
		if err != nil {
			panic(err) // the URL is well-formed
		}
		req.Header.Set("Content-Type", "application/fhir+json")
		if *etag == "" {
			req.Header.Set("If-None-Match", "*")
		} else if !p.is("a repeat is written again") {
			req.Header.Set("If-Match", *etag)
		}
		status, got, err := do(req)
		if err == nil && status == 412 {
			status, got, err = readBack(url, resource)
		}
		switch {
		case err == nil && status < 300:
			*etag = got
			return
		case err != nil && p.is("a lost answer makes another resource"):
			resource["id"] = uuid.NewString()
			*etag = ""
		}
	}
}

func do(req *http.Request) (status int, etag string, err error) {
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, res.Body)
	return res.StatusCode, res.Header.Get("ETag"), err
}

// readBack finds out whether the GP system has this very event.
func readBack(url string, resource object) (status int, etag string, err error) {
	res, err := http.Get(url)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, "", err
	}
	if bytes.Contains(raw, []byte(jsontree.WriteJSON(resource["identifier"]))) {
		return 200, res.Header.Get("ETag"), nil
	}
	return 412, "", nil
}

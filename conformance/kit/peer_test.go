package kit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"caselink.example/conformance/kit/jsontree"
	"caselink.example/connectors/simulator"
	"caselink.example/fhir/r4"
)

// peer is an adapter in memory, written apart from the real one, that keeps every
// promise of the suite, unless it is a mutant: then it breaks exactly one.
// It writes back before it answers, so that nothing needs to be waited for.
type peer struct {
	mutant    string // what it does wrong; "" for nothing
	mu        sync.Mutex
	base, gp  string
	accounts  map[string]account // by token
	referrals []*peerReferral
}

type account struct{ name, ods, service, scope string }

type peerReferral struct {
	id, holder, service string
	keys                []string
	raw                 []byte
	document            map[string]any
	caseDoc             map[string]any
	status              string
	version             int
	outcomes            []any
	taskID, taskETag    string
}

// startPeer serves an adapter with a simulated GP system, and returns it as a target.
func startPeer(t *testing.T, mutant string) Target {
	t.Helper()
	practices := []simulator.Practice{{ODS: "Y99901"}, {ODS: "Y99902"}}
	gps, err := simulator.NewGPSystems(simulator.GPConfig{Practices: practices, Folder: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	gp := httptest.NewServer(gps)
	p := &peer{mutant: mutant, gp: gp.URL, accounts: map[string]account{}}
	server := httptest.NewServer(p.routes())
	p.base = server.URL + "/FHIR/R4"
	t.Cleanup(func() {
		server.Close()
		gp.Close()
		if err := gps.Close(); err != nil {
			t.Error(err)
		}
	})
	system := gp.URL + "/Y99901/FHIR/R4"
	client := func(id, scope, ods string) Client {
		return Client{ID: id, Secret: id + "-secret", Scope: scope, ODS: ods}
	}
	return Target{
		Preset: "peer", Base: p.base, CaseAPI: server.URL + "/api/v1", TokenURL: server.URL + "/token",
		GPSystem: system, GPFault: system + "/$fault", Played: "gp-a",
		Clients: map[string]Client{
			"practice":          client("gp-a", "system/ServiceRequest.cruds system/Task.rs", "Y99901"),
			"other-practice":    client("gp-b", "system/ServiceRequest.cruds system/Task.rs", "Y99902"),
			"link-worker":       client("app-a", "cases.read cases.write", ""),
			"other-link-worker": client("app-b", "cases.read cases.write", ""),
		},
	}
}

// peerTime is the time of everything at the peer.
const peerTime = "2026-03-02T09:30:00Z"

// is reports whether the peer is the mutant that does this wrong.
func (p *peer) is(mutant string) bool { return p.mutant == mutant }

// issue is one reason to refuse.
type issue struct{ code, expression, text string }

type refusal struct {
	status int
	issues []issue
}

func (r *refusal) Error() string { return strconv.Itoa(r.status) }

func refuse(status int, code, expression, text string) *refusal {
	return &refusal{status, []issue{{code, expression, text}}}
}

var nhsCodes = map[int]string{
	400: "REC_BAD_REQUEST", 401: "REC_UNAUTHORIZED", 403: "REC_FORBIDDEN", 404: "REC_NOT_FOUND",
	406: "REC_NOT_ACCEPTABLE", 409: "REC_CONFLICT", 412: "REC_CONFLICT", 415: "REC_UNSUPPORTED_MEDIA_TYPE",
	422: "REC_UNPROCESSABLE_ENTITY", 428: "REC_BAD_REQUEST",
}

type object = map[string]any

func writeBody(w http.ResponseWriter, status int, media string, v any) {
	w.Header().Set("Content-Type", media)
	w.WriteHeader(status)
	fmt.Fprint(w, jsontree.WriteJSON(v))
}

// informational is the issue of an OperationOutcome without faults.
var informational = object{"severity": "information", "code": "informational"}

func outcomeOf(r *refusal) object {
	var issues []any
	for _, i := range r.issues {
		one := object{
			"severity": "error", "code": i.code, "diagnostics": i.text,
			"details": object{"coding": []any{object{"code": nhsCodes[r.status]}}},
		}
		if i.expression != "" {
			one["expression"] = []any{i.expression}
		}
		issues = append(issues, one)
	}
	return object{"resourceType": "OperationOutcome", "issue": issues}
}

func (p *peer) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /token", p.token)
	mux.HandleFunc("GET /FHIR/R4/metadata", p.metadata)
	mux.HandleFunc("GET /FHIR/R4/.well-known/smart-configuration", p.smart)
	for pattern, handle := range map[string]func(http.ResponseWriter, *http.Request, account) error{
		"POST /FHIR/R4/ServiceRequest":                  p.create,
		"GET /FHIR/R4/ServiceRequest/{id}":              p.read,
		"GET /FHIR/R4/ServiceRequest/{id}/_history/{v}": p.read,
		"POST /FHIR/R4/ServiceRequest/$validate":        p.validate,
		"/":                                             p.nothing,
		"GET /api/v1/cases":                             p.list,
		"GET /api/v1/cases/{id}":                        p.show,
		"POST /api/v1/cases/{id}/transitions":           p.transition,
		"POST /api/v1/cases/{id}/outcomes":              p.record,
	} {
		mux.HandleFunc(pattern, p.guarded(handle))
	}
	return mux
}

// guarded checks the token, echoes the ids and renders a refusal.
func (p *peer) guarded(handle func(http.ResponseWriter, *http.Request, account) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, name := range []string{"X-Request-Id", "X-Correlation-Id"} {
			if id := r.Header.Get(name); id != "" && !p.is("ids are not echoed") {
				w.Header().Set(name, id)
			}
		}
		if p.is("the body is read before the token") {
			raw, _ := io.ReadAll(r.Body) // what came of it is used as it is
			r.Body = io.NopCloser(bytes.NewReader(raw))
		}
		who, err := p.authenticate(r)
		if err == nil {
			err = handle(w, r, who)
		}
		refused, ok := errors.AsType[*refusal](err)
		if !ok {
			return
		}
		if refused.status == 401 {
			w.Header().Set("Connection", "close")
			if !p.is("401 without WWW-Authenticate") {
				w.Header().Set("WWW-Authenticate", "Bearer")
			}
		}
		writeBody(w, refused.status, "application/fhir+json", outcomeOf(refused))
	}
}

func (p *peer) authenticate(r *http.Request) (account, error) {
	token, sent := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !sent && p.is("no token is needed") {
		return account{ods: "Y99901", service: "A", scope: "ServiceRequest.cruds"}, nil
	}
	if !sent {
		return account{}, refuse(401, "login", "", "a token is needed")
	}
	if p.is("signatures are not verified") {
		for known, who := range p.accounts {
			if strings.Split(known, ".")[0] == strings.Split(token, ".")[0] {
				return who, nil
			}
		}
	}
	who, ok := p.accounts[token]
	if !ok && p.is("garbage is a bad request") {
		return who, refuse(400, "invalid", "", "no token")
	}
	if !ok {
		return who, refuse(401, "security", "", "the token does not verify")
	}
	inCases := strings.HasPrefix(r.URL.Path, "/api/")
	if inCases != (who.service != "") && !p.is("apps may use both APIs") {
		return who, refuse(403, "forbidden", "", "not this API")
	}
	if !inCases && !strings.Contains(who.scope, "ServiceRequest") && !p.is("scopes are ignored") {
		return who, refuse(403, "forbidden", "", "the scope is missing")
	}
	return who, nil
}

func (p *peer) token(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	id, _, _ := r.BasicAuth()
	who := map[string]account{
		"gp-a": {name: id, ods: "Y99901"}, "gp-b": {name: id, ods: "Y99902"},
		"app-a": {name: id, service: "A"}, "app-b": {name: id, service: "B"},
	}[id]
	who.scope = r.FormValue("scope")
	token := uuid.NewString() + ".signature"
	p.accounts[token] = who
	writeBody(w, 200, "application/json", object{"access_token": token, "expires_in": 3600})
}

func (p *peer) metadata(w http.ResponseWriter, _ *http.Request) {
	if p.is("metadata needs a token") {
		writeBody(w, 401, "application/fhir+json", outcomeOf(refuse(401, "login", "", "")))
		return
	}
	interactions := []any{object{"code": "create"}, object{"code": "read"}, object{"code": "vread"}}
	if p.is("metadata leaves vread out") {
		interactions = interactions[:2]
	}
	writeBody(w, 200, "application/fhir+json", object{
		"resourceType": "CapabilityStatement", "fhirVersion": "4.0.1", "kind": "instance",
		"format":   []any{"application/fhir+json", "application/fhir+xml"},
		"software": object{"name": "Peer", "version": "1"},
		"rest": []any{object{
			"mode": "server",
			"resource": []any{object{
				"type": "ServiceRequest", "interaction": interactions, "operation": []any{object{"name": "validate"}},
			}},
			"security": object{"service": []any{object{"coding": []any{object{"code": "SMART-on-FHIR"}}}}},
		}},
	})
}

func (p *peer) smart(w http.ResponseWriter, r *http.Request) {
	if p.is("smart-configuration is missing") {
		http.NotFound(w, r)
		return
	}
	writeBody(w, 200, "application/json", object{
		"token_endpoint": "http://x/token", "grant_types_supported": []any{"client_credentials"},
	})
}

func (p *peer) nothing(w http.ResponseWriter, r *http.Request, _ account) error {
	if p.is("an unknown path is plain text") {
		http.NotFound(w, r)
		return nil
	}
	return refuse(404, "not-found", "", "nothing here")
}

func (p *peer) create(w http.ResponseWriter, r *http.Request, who account) error {
	document, raw, err := p.body(r)
	if err != nil {
		return err
	}
	keys, err := p.keys(r, document, who)
	if err != nil {
		return err
	}
	sr := p.find(func(x *peerReferral) bool {
		return slices.ContainsFunc(x.keys, func(k string) bool { return slices.Contains(keys, k) })
	})
	status := 201
	if p.is("created is 200") {
		status = 200
	}
	switch {
	case sr == nil || p.is("every repeat is a new referral"):
		sr = p.open(document, raw, keys, who)
		p.writeTask(sr, "requested")
	case !bytes.Equal(sr.raw, raw) && !p.is("other content is accepted"):
		return refuse(409, "duplicate", "ServiceRequest.identifier", "use PUT to amend")
	default:
		status = 200
	}
	p.describe(w, sr)
	switch prefer := r.Header.Get("Prefer"); {
	case prefer == "return=minimal" && !p.is("Prefer minimal is ignored"):
		w.WriteHeader(status)
	case prefer == "return=OperationOutcome" && !p.is("Prefer OperationOutcome is ignored"):
		outcome := object{"resourceType": "OperationOutcome", "issue": []any{informational}}
		writeBody(w, status, "application/fhir+json", outcome)
	default:
		writeBody(w, status, "application/fhir+json", sr.stored(p))
	}
	return nil
}

// body reads JSON, or XML as the JSON that says the same.
func (p *peer) body(r *http.Request) (object, []byte, error) {
	media := r.Header.Get("Content-Type")
	raw, err := io.ReadAll(r.Body)
	switch {
	case err != nil:
		return nil, nil, err
	case media == "application/fhir+xml" && !p.is("XML is not read"):
		resource, err := r4.UnmarshalXML(raw)
		if err != nil {
			return nil, nil, refuse(400, "structure", "", "not FHIR")
		}
		raw = resource.JSON
	case media != "application/fhir+json" && !p.is("any media type is read"):
		return nil, nil, refuse(415, "not-supported", "", "application/fhir+json")
	}
	document, err := p.parse(raw)
	return document, raw, err
}

func (p *peer) validate(w http.ResponseWriter, r *http.Request, _ account) error {
	_, _, err := p.body(r)
	refused, ok := errors.AsType[*refusal](err)
	if !ok || p.is("$validate finds nothing") {
		refused = &refusal{}
	}
	outcome := outcomeOf(refused)
	if len(refused.issues) == 0 {
		outcome["issue"] = []any{informational}
	}
	writeBody(w, 200, "application/fhir+json", outcome)
	return nil
}

func (p *peer) describe(w http.ResponseWriter, sr *peerReferral) {
	if !p.is("no Location") {
		w.Header().Set("Location", p.base+"/ServiceRequest/"+sr.id+"/_history/1")
	}
	if !p.is("no ETag") {
		w.Header().Set("ETag", `W/"1"`)
	}
	w.Header().Set("Last-Modified", time.Now().UTC().Format(http.TimeFormat))
}

// stored is the resource as a read returns it.
func (sr *peerReferral) stored(p *peer) object {
	out := maps.Clone(sr.document)
	out["id"] = sr.id
	out["meta"] = object{
		"versionId": "1", "lastUpdated": peerTime, "profile": sr.document["meta"].(object)["profile"],
	}
	if p.is("an unknown extension is dropped") {
		delete(out, "extension")
	}
	if p.is("decimals lose their zeros") {
		out["extension"] = []any{object{
			"url": "https://gp.example/StructureDefinition/local-score", "valueDecimal": json.Number("1.5"),
		}}
	}
	return out
}

func (p *peer) find(is func(*peerReferral) bool) *peerReferral {
	if i := slices.IndexFunc(p.referrals, is); i >= 0 {
		return p.referrals[i]
	}
	return nil
}

func (p *peer) parse(raw []byte) (object, error) {
	document, err := jsontree.ParseJSON(raw)
	if err != nil {
		status := 400
		if p.is("broken JSON is our fault") {
			status = 500
		}
		return nil, refuse(status, "structure", "", "not JSON")
	}
	var compact bytes.Buffer
	_ = json.Compact(&compact, raw) // it was parsed
	if compact.Len() != len(jsontree.WriteJSON(document)) && !p.is("duplicate keys are taken") {
		return nil, refuse(400, "structure", "ServiceRequest", "a member is there twice")
	}
	faults := p.faults(document.(object))
	if len(faults) == 0 {
		return document.(object), nil
	}
	status := 422
	if faults[0].code == "required" || faults[0].code == "structure" {
		status = 400
	}
	if p.is("only the first fault is told") {
		faults = faults[:1]
	}
	return nil, &refusal{status, faults}
}

// elements are those of a ServiceRequest that the peer knows.
var elements = []string{
	"resourceType", "meta", "contained", "extension", "identifier", "status", "intent", "priority", "code", "subject",
	"authoredOn", "requester", "reasonCode", "note",
}

func (p *peer) faults(d object) (faults []issue) {
	add := func(code, expression, text string) {
		if p.is("faults have no FHIRPath") {
			expression = ""
		}
		faults = append(faults, issue{code, expression, text})
	}
	for _, name := range []string{"status", "subject"} {
		if d[name] == nil {
			add("required", "ServiceRequest."+name, "is needed")
		}
	}
	for name := range d {
		if !slices.Contains(elements, name) && !p.is("unknown elements are dropped") {
			add("structure", "ServiceRequest", "an element is unknown")
		}
	}
	if d["intent"] != "order" {
		add("code-invalid", "ServiceRequest.intent", "no such code")
	}
	patient := d["contained"].([]any)[0].(object)
	if _, err := time.Parse(time.DateOnly, patient["birthDate"].(string)); err != nil {
		text := "not a date"
		if p.is("a fault quotes the value") {
			text = fmt.Sprintf("%v is not a date", patient["birthDate"])
		}
		add("value", "ServiceRequest.contained[0].birthDate", text)
	}
	number := patient["identifier"].([]any)[0].(object)["value"].(string)
	if checkDigit(number[:9]) != int(number[9]-'0') && !p.is("NHS numbers are not checked") {
		add("value", "ServiceRequest.contained[0].identifier[0].value", "modulus 11")
	}
	return faults
}

func (p *peer) keys(r *http.Request, d object, who account) (keys []string, err error) {
	holder := who.ods
	if p.is("identifiers are of everyone") {
		holder = ""
	}
	for _, v := range jsontree.Member(d, "identifier") {
		keys = append(keys, holder+" identifier "+v.(object)["value"].(string))
	}
	if criteria := r.Header.Get("If-None-Exist"); criteria != "" {
		if p.is("If-None-Exist is ignored") {
			criteria = uuid.NewString()
		}
		keys = append(keys, holder+" criteria "+criteria)
	}
	if id := r.Header.Get("X-Request-Id"); len(keys) == 0 && id != "" {
		if p.is("X-Request-Id is no identity") {
			id = uuid.NewString()
		}
		keys = append(keys, holder+" request "+id)
	}
	if len(keys) == 0 && !p.is("no identity is needed") {
		return nil, refuse(422, "business-rule", "ServiceRequest.identifier", "add an identifier")
	}
	return keys, nil
}

// open makes the referral and its case.
func (p *peer) open(d object, raw []byte, keys []string, who account) *peerReferral {
	patient := d["contained"].([]any)[0].(object)
	sr := &peerReferral{
		id: uuid.NewString(), holder: who.ods, service: map[string]string{"Y99901": "A", "Y99902": "B"}[who.ods],
		keys: keys, raw: raw, document: d, status: "received", version: 1, outcomes: []any{}, taskID: uuid.NewString(),
	}
	sr.caseDoc = object{
		"id": uuid.NewString(), "referral": object{"id": sr.id, "practice": who.ods},
		"receivedAt": peerTime, "priority": "routine",
		"needs": []any{object{"category": "loneliness-isolation"}}, "clocks": object{"received": peerTime},
		"patient": object{
			"nhsNumber": patient["identifier"].([]any)[0].(object)["value"],
			"name":      "Olwen Kitteridge", "birthDate": patient["birthDate"],
			"phones": []any{object{"number": "01632 960123"}},
		},
	}
	p.referrals = append(p.referrals, sr)
	return sr
}

func (p *peer) read(w http.ResponseWriter, r *http.Request, who account) error {
	if strings.HasPrefix(r.Header.Get("Accept"), "image/") && !p.is("Accept is ignored") {
		return refuse(406, "not-supported", "", "application/fhir+json")
	}
	sr := p.find(func(x *peerReferral) bool { return x.id == r.PathValue("id") })
	if sr != nil && sr.holder != who.ods && !p.is("apps may use both APIs") {
		switch {
		case p.is("another practice's is forbidden"):
			return refuse(403, "forbidden", "", "not yours")
		case p.is("another practice's is told apart"):
			return refuse(404, "not-found", "", "not yours")
		case p.is("another practice's version is told apart") && r.PathValue("v") != "":
			return refuse(404, "not-found", "", "not yours")
		}
		sr = nil
	}
	if sr == nil || r.PathValue("v") != "" && p.is("there are no versions") {
		return refuse(404, "not-found", "", "not found")
	}
	p.describe(w, sr)
	if r.Header.Get("Accept") != "application/fhir+xml" || p.is("XML is not written") {
		writeBody(w, 200, "application/fhir+json", sr.stored(p))
		return nil
	}
	xml, err := r4.MarshalXML([]byte(jsontree.WriteJSON(sr.stored(p))))
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/fhir+xml")
	_, err = w.Write(xml)
	return err
}

package simulator

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"caselink.example/fhir"
)

// update is PUT, which may create. https://hl7.org/fhir/R4/http.html#update
func (g *gpSystem) update(c *gin.Context) (reply, error) {
	res, err := body(c)
	if err != nil {
		return reply{}, err
	}
	if res.id != c.Param("id") || !validID.MatchString(res.id) {
		return reply{}, fhir.Errorf(fhir.IssueInvalid, "the id is the one in the URL").At(res.kind + ".id")
	}
	if err := g.practice.check(res); err != nil {
		return reply{}, err
	}

	// The lock spans the condition and the commit: of two writers with the same If-Match
	// one gets a 412.
	g.record.mu.Lock()
	defer g.record.mu.Unlock()
	current := g.record.byPath[res.kind+"/"+res.id]
	if err := precondition(c.Request.Header, current); err != nil {
		return reply{}, err
	}
	status := http.StatusOK
	if current == nil {
		status = http.StatusCreated
	}
	return g.commit(c, res, res.id, status)
}

// precondition judges If-Match and If-None-Match. current is nil when there is nothing yet.
func precondition(h http.Header, current *entry) error {
	if want := h.Get("If-Match"); want != "" {
		if current == nil {
			return fhir.Errorf(fhir.IssueStale, "If-Match names a version, but there is none: leave it out to create")
		}
		now := (fhir.Meta{Version: len(current.versions)}).ETag()
		if strings.TrimPrefix(want, "W/") != strings.TrimPrefix(now, "W/") { // FHIR's ETags are weak, and some send them strong
			return fhir.Errorf(fhir.IssueStale, "the current version is %s: read it and decide again", now)
		}
	}
	if h.Get("If-None-Match") == "*" && current != nil {
		return fhir.Errorf(fhir.IssueStale, "it exists already: read it")
	}
	return nil
}

// create is POST. https://hl7.org/fhir/R4/http.html#ccreate
func (g *gpSystem) create(c *gin.Context) (reply, error) {
	res, err := body(c)
	if err != nil {
		return reply{}, err
	}
	if err := g.practice.check(res); err != nil {
		return reply{}, err
	}
	g.record.mu.Lock()
	defer g.record.mu.Unlock()
	existing, err := g.ifNoneExist(c.GetHeader("If-None-Exist"), res.kind)
	if err != nil {
		return reply{}, err
	}
	if existing != nil {
		v, err := g.record.read(existing, len(existing.versions))
		if err != nil {
			return reply{}, err
		}
		return reply{http.StatusOK, v.raw, v}, nil
	}
	return g.commit(c, res, g.newID(), http.StatusCreated)
}

// ifNoneExist finds the one resource that the header describes.
func (g *gpSystem) ifNoneExist(header, kind string) (*entry, error) {
	if header == "" {
		return nil, nil
	}
	query, err := url.ParseQuery(strings.TrimPrefix(header, "?"))
	if err != nil {
		return nil, fhir.Errorf(fhir.IssueInvalid, "If-None-Exist is a query such as identifier=system|value").Because(err)
	}
	s, err := searchOf(query)
	if err != nil {
		return nil, err
	}
	if len(s.conditions) == 0 { // it would match whatever there is
		return nil, fhir.Errorf(fhir.IssueInvalid, "If-None-Exist has no condition")
	}
	found, err := g.record.find(kind, s.conditions)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	if len(found) > 1 {
		return nil, fhir.Errorf(fhir.IssueMultipleMatches, "If-None-Exist matches %d resources", len(found))
	}
	return found[0], nil
}

// commit files the resource. The caller holds the lock.
func (g *gpSystem) commit(c *gin.Context, res *resource, id string, status int) (reply, error) {
	requestID := c.GetHeader("X-Request-Id") // kept, so that repeats can be distinguished from first tries
	v, err := g.record.append(res, id, c.Request.Method, requestID[:min(len(requestID), 100)], g.now())
	if err != nil {
		return reply{}, err
	}
	return reply{status, v.raw, v}, nil
}

// lookup finds the resource of the URL. The caller holds the lock.
func (g *gpSystem) lookup(c *gin.Context) (*entry, error) {
	e := g.record.byPath[c.Param("type")+"/"+c.Param("id")]
	if e == nil {
		return nil, fhir.Errorf(fhir.IssueNotFound, "no such resource")
	}
	return e, nil
}

func (g *gpSystem) read(c *gin.Context) (reply, error) {
	g.record.mu.RLock()
	defer g.record.mu.RUnlock()
	e, err := g.lookup(c)
	if err != nil {
		return reply{}, err
	}
	v, err := g.record.read(e, len(e.versions))
	if err != nil {
		return reply{}, err
	}
	return reply{http.StatusOK, v.raw, v}, nil
}

func (g *gpSystem) vread(c *gin.Context) (reply, error) {
	g.record.mu.RLock()
	defer g.record.mu.RUnlock()
	e, err := g.lookup(c)
	if err != nil {
		return reply{}, err
	}
	number, err := strconv.Atoi(c.Param("version"))
	if err != nil {
		return reply{}, fhir.Errorf(fhir.IssueNotFound, "no such version")
	}
	v, err := g.record.read(e, number)
	if err != nil {
		return reply{}, err
	}
	return reply{http.StatusOK, v.raw, v}, nil
}

// history lists all versions, the newest first. https://hl7.org/fhir/R4/http.html#history
func (g *gpSystem) history(c *gin.Context) (reply, error) {
	g.record.mu.RLock()
	defer g.record.mu.RUnlock()
	e, err := g.lookup(c)
	if err != nil {
		return reply{}, err
	}
	b := bundle{kind: "history", total: len(e.versions), base: g.base(c)}
	for number := len(e.versions); number > 0; number-- {
		v, err := g.record.read(e, number)
		if err != nil {
			return reply{}, err
		}
		b.addVersion(v)
	}
	return reply{status: http.StatusOK, resource: b.bytes()}, nil
}

// search is a search by GET. https://hl7.org/fhir/R4/http.html#search
func (g *gpSystem) search(c *gin.Context) (reply, error) {
	kind, err := kindOf(c)
	if err != nil {
		return reply{}, err
	}
	query := c.Request.URL.Query()
	s, err := searchOf(query)
	if err != nil {
		return reply{}, err
	}
	g.record.mu.RLock()
	defer g.record.mu.RUnlock()
	found, err := g.record.find(kind, s.conditions)
	if err != nil {
		return reply{}, err
	}
	s.order(found)
	b := bundle{kind: "searchset", total: len(found), base: g.base(c)}
	b.link("self", kind, query)
	from := min(s.offset, len(found))
	to := min(from+s.count, len(found))
	if to < len(found) && s.count > 0 {
		query.Set("_offset", strconv.Itoa(to))
		b.link("next", kind, query)
	}
	for _, e := range found[from:to] {
		v, err := g.record.read(e, len(e.versions))
		if err != nil {
			return reply{}, err
		}
		b.addMatch(v)
	}
	return reply{status: http.StatusOK, resource: b.bytes()}, nil
}

const (
	defaultCount = 100
	maxCount     = 1000
)

// search is a parsed query. Parameters of the same name must all match.
type search struct {
	conditions []condition
	sort       string // "", _lastUpdated or -_lastUpdated
	count      int
	offset     int
}

// searchOf parses a query; a parameter that it does not know is an error.
func searchOf(query url.Values) (search, error) {
	s := search{count: defaultCount}
	for name, values := range query {
		for _, value := range values {
			if err := s.take(name, value); err != nil {
				return s, err
			}
		}
	}
	return s, nil
}

func (s *search) take(name, value string) error {
	var err error
	switch name {
	case "_count":
		s.count, err = strconv.Atoi(value)
		s.count = min(s.count, maxCount)
	case "_offset":
		s.offset, err = strconv.Atoi(value)
	case "_sort":
		s.sort = value
		if value != "_lastUpdated" && value != "-_lastUpdated" {
			err = fmt.Errorf("cannot sort so")
		}
	case "identifier", "status", "focus", "based-on", "subject":
		s.conditions = append(s.conditions, condition{name, strings.Split(value, ",")})
	case "patient", "patient:identifier", "patient.identifier", "subject:identifier", "subject.identifier":
		s.conditions = append(s.conditions, condition{"subject", strings.Split(value, ",")})
	case "focus:identifier", "based-on:identifier":
		s.conditions = append(s.conditions, condition{strings.TrimSuffix(name, ":identifier"), strings.Split(value, ",")})
	case "_format":
	default:
		return fhir.Errorf(fhir.IssueNotSupported, "search by %s", searchParams)
	}
	if err != nil || s.count < 0 || s.offset < 0 {
		return fhir.Errorf(fhir.IssueInvalid, "the value of the search parameter %s cannot be understood", name).Because(err)
	}
	return nil
}

const searchParams = "identifier, patient, subject, focus, based-on, status, _count and _sort"

// order sorts by last update where that is asked for; the record grows with time.
func (s search) order(found []*entry) {
	if s.sort == "" {
		return
	}
	slices.SortFunc(found, func(a, b *entry) int {
		diff := a.versions[len(a.versions)-1].at - b.versions[len(b.versions)-1].at
		if s.sort == "-_lastUpdated" {
			diff = -diff
		}
		return int(max(-1, min(1, diff)))
	})
}

// bundle is a Bundle in the making.
type bundle struct {
	kind    string
	total   int
	base    string
	links   []string
	entries [][]byte
}

func (b *bundle) link(relation, kind string, query url.Values) {
	target := b.base + "/" + kind
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	b.links = append(b.links, fmt.Sprintf(`{"relation":%q,"url":%s}`, relation, quote(target)))
}

func (b *bundle) addMatch(v *stored) {
	b.entries = append(b.entries, fmt.Appendf(nil,
		`{"fullUrl":%s,"resource":%s,"search":{"mode":"match"}}`, quote(b.base+"/"+v.path()), v.raw))
}

func (b *bundle) addVersion(v *stored) {
	method, target, status := "PUT", v.path(), "200"
	if v.number == 1 {
		status = "201"
	}
	if v.number == 1 && v.posted {
		method, target = "POST", v.kind
	}
	b.entries = append(b.entries, fmt.Appendf(nil,
		`{"fullUrl":%s,"resource":%s,"request":{"method":%q,"url":%s},"response":{"status":%q,"location":%s,"etag":%s,"lastModified":%q}}`,
		quote(b.base+"/"+v.path()), v.raw, method, quote(target), status, quote(b.base+"/"+v.versionPath()), quote(v.etag()),
		v.at.UTC().Format(time.RFC3339Nano)))
}

func (b *bundle) bytes() []byte {
	var out bytes.Buffer
	fmt.Fprintf(&out, `{"resourceType":"Bundle","type":%q,"total":%d`, b.kind, b.total)
	if len(b.links) > 0 {
		fmt.Fprintf(&out, `,"link":[%s]`, strings.Join(b.links, ","))
	}
	if len(b.entries) > 0 { // an empty array is not FHIR
		out.WriteString(`,"entry":[`)
		out.Write(bytes.Join(b.entries, []byte{','}))
		out.WriteByte(']')
	}
	out.WriteByte('}')
	return out.Bytes()
}

func quote(s string) []byte {
	raw, err := json.Marshal(s)
	if err != nil {
		panic(err) // a string always marshals
	}
	return raw
}

// received counts what came, for whoever looks for the first time.
func (g *gpSystem) received(*gin.Context) (reply, error) {
	g.record.mu.RLock()
	defer g.record.mu.RUnlock()
	resources := map[string]int{"Task": 0, "Observation": 0}
	for _, e := range g.record.entries {
		resources[e.kind]++
	}
	view := gin.H{
		"practice":  g.practice.ODS,
		"resources": resources,
		"versions":  gin.H{"Task": g.record.counts["Task"], "Observation": g.record.counts["Observation"]},
		"refused":   g.refused.Load(),
	}
	if !g.record.last.IsZero() {
		view["lastWrite"] = g.record.last
	}
	return showJSON(view)
}

// metadata is what this system can do. https://hl7.org/fhir/R4/capabilitystatement.html
func (g *gpSystem) metadata(*gin.Context) (reply, error) {
	interactions := []gin.H{}
	for _, code := range []string{"read", "vread", "update", "history-instance", "create", "search-type"} {
		interactions = append(interactions, gin.H{"code": code})
	}
	resources := []gin.H{}
	for _, kind := range []string{"Task", "Observation"} {
		params := []gin.H{
			{"name": "identifier", "type": "token"}, {"name": "status", "type": "token"},
			{"name": "patient", "type": "reference"}, {"name": "subject", "type": "reference"},
			{"name": "focus", "type": "reference"}, {"name": "based-on", "type": "reference"},
		}
		if kind == "Observation" {
			params = slices.DeleteFunc(params, func(p gin.H) bool { return p["name"] == "focus" })
		}
		resources = append(resources, gin.H{
			"type": kind, "interaction": interactions, "versioning": "versioned-update", "readHistory": true,
			"updateCreate": true, "conditionalCreate": true, "searchParam": params,
		})
	}
	return showJSON(gin.H{
		"resourceType": "CapabilityStatement", "status": "active", "date": "2026-01-01", "kind": "instance",
		"fhirVersion": "4.0.1", "format": []string{"application/fhir+json"},
		"implementation": gin.H{"description": "Simulated GP system of " + g.practice.ODS},
		"rest":           []gin.H{{"mode": "server", "resource": resources}},
	})
}

package simulator

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"caselink.example/fhir"
)

// record is everything that a practice has filed: a file with a JSON line for each
// version, which is only ever appended to. Memory holds where each version is, and
// hashes that narrow a search; what a resource says is read from the file.
type record struct {
	mu      sync.RWMutex
	file    *os.File
	end     int64
	entries []*entry // in the order of their creation
	byPath  map[string]*entry
	terms   map[uint64][]int32 // hash of a term -> entries that had it once
	seed    maphash.Seed
	counts  map[string]int // versions by resource type
	last    time.Time
}

// entry is one resource through all its versions.
type entry struct {
	kind, id string
	index    int32
	status   string
	posted   bool // created by POST
	versions []place
}

// place is where a version's bytes are.
type place struct {
	at     int64
	length int
}

// line is one line of the file.
type line struct {
	Type      string          `json:"type"`
	ID        string          `json:"id"`
	Version   int             `json:"version"`
	At        time.Time       `json:"at"`
	Method    string          `json:"method"`
	RequestID string          `json:"requestId,omitempty"`
	Resource  json.RawMessage `json:"resource"` // last: it ends one byte before the line does
}

// stored is one version of a resource.
type stored struct {
	*entry
	number int
	at     time.Time
	raw    []byte
}

func (s *stored) path() string { return s.kind + "/" + s.id }

// versionPath is the URL of the version below the base.
func (s *stored) versionPath() string { return s.path() + "/_history/" + strconv.Itoa(s.number) }

func (s *stored) etag() string { return fhir.Meta{Version: s.number}.ETag() }

// openRecord reads the record of a practice from the folder. A line that a crash cut
// short was never acknowledged and is taken off.
func openRecord(folder, ods string) (*record, error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(filepath.Join(folder, ods+".jsonl"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	r := &record{file: file, byPath: map[string]*entry{}, terms: map[uint64][]int32{}, seed: maphash.MakeSeed(), counts: map[string]int{}}
	if err := r.load(); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return r, file.Truncate(r.end)
}

func (r *record) load() error {
	in := bufio.NewReaderSize(r.file, 64<<10)
	for {
		raw, err := in.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		var l line
		if err := json.Unmarshal(raw, &l); err != nil {
			return fmt.Errorf("byte %d: %w", r.end, err)
		}
		res, err := parse(l.Resource)
		if err != nil {
			return fmt.Errorf("byte %d: %w", r.end, err)
		}
		r.add(l, res, len(raw))
	}
}

// add takes a line of size bytes at the end of the file into memory.
func (r *record) add(l line, res *resource, size int) *entry {
	path := l.Type + "/" + l.ID
	e := r.byPath[path]
	if e == nil {
		e = &entry{kind: res.kind, id: l.ID, index: int32(len(r.entries)), posted: l.Method == http.MethodPost}
		r.byPath[path] = e
		r.entries = append(r.entries, e)
	}
	r.end += int64(size)
	length := len(l.Resource)
	e.versions = append(e.versions, place{r.end - int64(length) - int64(len("}\n")), length})
	e.status = res.status

	// Terms of earlier versions stay: they only widen what is looked at, and matches
	// decides on the version of now.
	for term := range res.terms() {
		hash := maphash.String(r.seed, term)
		if had := r.terms[hash]; !slices.Contains(had, e.index) {
			r.terms[hash] = append(had, e.index)
		}
	}
	r.counts[e.kind]++
	r.last = l.At
	return e
}

// append files a new version of the resource. The caller holds the lock.
func (r *record) append(res *resource, id, method, requestID string, now time.Time) (*stored, error) {
	version := 1
	if e := r.byPath[res.kind+"/"+id]; e != nil {
		version += len(e.versions)
	}
	l := line{
		Type: res.kind, ID: id, Version: version, At: now, Method: method, RequestID: requestID,
		Resource: res.withMeta(id, version, now),
	}
	text, err := l.encode()
	if err != nil {
		return nil, err
	}

	// At the end that is known and not the file's own: what a failed write left behind is
	// written over. Into the file before memory, for what is not written is not filed.
	if _, err := r.file.WriteAt(text, r.end); err != nil {
		return nil, err
	}
	return &stored{entry: r.add(l, res, len(text)), number: version, at: now, raw: l.Resource}, nil
}

// encode writes the line with the bytes of the resource as they are, which json.Marshal would compact.
func (l line) encode() ([]byte, error) {
	resource := l.Resource
	l.Resource = json.RawMessage("0")
	text, err := json.Marshal(l)
	if err != nil {
		return nil, err
	}
	text = append(text[:len(text)-len("0}")], resource...)
	return append(text, '}', '\n'), nil
}

// read gets a version from the file. The caller holds the lock, for reading at least.
func (r *record) read(e *entry, number int) (*stored, error) {
	if number < 1 || number > len(e.versions) {
		return nil, fhir.Errorf(fhir.IssueNotFound, "no such version")
	}
	p := e.versions[number-1]
	raw := make([]byte, p.length)
	if _, err := r.file.ReadAt(raw, p.at); err != nil {
		return nil, fmt.Errorf("read the record: %w", err)
	}
	var head struct {
		Meta struct{ LastUpdated time.Time }
	}
	if err := json.Unmarshal(raw, &head); err != nil {
		return nil, fmt.Errorf("read the record: %w", err)
	}
	return &stored{entry: e, number: number, at: head.Meta.LastUpdated, raw: raw}, nil
}

// terms are the words that a search can look for: the values of identifiers and the
// last part of references.
func (r *resource) terms() map[string]bool {
	terms := map[string]bool{}
	add := func(value string) {
		if value != "" {
			terms[termOf(value)] = true
		}
	}
	for _, id := range r.identifiers {
		add(id.Value)
	}
	for _, refs := range r.refs {
		for _, ref := range refs {
			add(ref.Reference)
			add(ref.Identifier.Value)
		}
	}
	return terms
}

// termOf is the same for a value and for all ways to search for it: behind the system
// of a token, behind the last slash of a reference.
func termOf(value string) string {
	if _, after, ok := strings.Cut(value, "|"); ok {
		value = after
	}
	return value[strings.LastIndexByte(value, '/')+1:]
}

// find lists the resources that a search matches, in the order of their creation. The
// caller holds the lock, for reading at least.
func (r *record) find(kind string, conditions []condition) ([]*entry, error) {
	var found []*entry
	for _, e := range r.candidates(conditions) {
		if e.kind != kind {
			continue
		}
		ok, err := r.matches(e, conditions)
		if err != nil {
			return nil, err
		}
		if ok {
			found = append(found, e)
		}
	}
	return found, nil
}

// candidates are all entries that can match: by the rarest term, where there is one.
func (r *record) candidates(conditions []condition) []*entry {
	narrowed := false
	var indexes []int32
	for _, c := range conditions {
		// Many share a status or a system: neither narrows anything.
		if c.param == "status" || c.open() {
			continue
		}
		var some []int32
		for _, value := range c.values {
			some = append(some, r.terms[maphash.String(r.seed, termOf(value))]...)
		}
		if !narrowed || len(some) < len(indexes) {
			narrowed, indexes = true, some
		}
	}
	if !narrowed {
		return r.entries
	}
	slices.Sort(indexes)
	var entries []*entry
	for _, index := range slices.Compact(indexes) {
		entries = append(entries, r.entries[index])
	}
	return entries
}

func (r *record) matches(e *entry, conditions []condition) (bool, error) {
	var res *resource
	for _, c := range conditions {
		if c.param == "status" {
			if !slices.Contains(c.values, e.status) {
				return false, nil
			}
			continue
		}
		if res == nil {
			current, err := r.read(e, len(e.versions))
			if err != nil {
				return false, err
			}
			if res, err = parse(current.raw); err != nil {
				return false, err
			}
		}
		if !c.matches(res) {
			return false, nil
		}
	}
	return true, nil
}

// condition is one search parameter; any of its values will do.
type condition struct {
	param  string // identifier, subject, focus, based-on or status
	values []string
}

// open reports whether a value names a system alone, which no term narrows.
func (c condition) open() bool {
	return slices.ContainsFunc(c.values, func(v string) bool { return strings.HasSuffix(v, "|") })
}

func (c condition) matches(r *resource) bool {
	return slices.ContainsFunc(c.values, func(value string) bool {
		if c.param == "identifier" {
			return slices.ContainsFunc(r.identifiers, func(id fhir.Identifier) bool { return tokenMatches(value, id) })
		}
		return slices.ContainsFunc(r.refs[c.param], func(ref reference) bool { return referenceMatches(value, ref) })
	})
}

// tokenMatches follows https://hl7.org/fhir/R4/search.html#token
func tokenMatches(value string, id fhir.Identifier) bool {
	system, code, both := strings.Cut(value, "|")
	if !both {
		return id.Value == value
	}
	return id.System == system && (code == "" && system != "" || id.Value == code)
}

// referenceMatches takes a reference in full, its Type/id, its id, or the token of its identifier.
// https://hl7.org/fhir/R4/search.html#reference
func referenceMatches(value string, ref reference) bool {
	if ref.Identifier.Value != "" && tokenMatches(value, ref.Identifier) {
		return true
	}

	// By its id alone whatever server it is on; an absolute URL is that server's alone.
	return ref.Reference != "" &&
		(ref.Reference == value || !strings.Contains(value, "://") && strings.HasSuffix("/"+ref.Reference, "/"+value))
}

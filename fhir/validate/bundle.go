package validate

import (
	"slices"
	"strings"

	"caselink.example/fhir"
	"caselink.example/fhir/r4"
)

// bundles are the rules of Bundle. https://hl7.org/fhir/R4/bundle.html
var bundles = map[string][]rule{
	"Bundle": {
		shall("bdl-1", either(lacks("total"), is("type", "searchset", "history")), "total in a searchset or a history only"),
		shall("bdl-2", either(is("type", "searchset"), every("entry", lacks("search"))), "entry.search in a searchset only"),
		find("bdl-3", presence("request", "batch", "transaction", "history"),
			"a request in each entry of a batch, transaction or history, and in no other Bundle"),
		find("bdl-4", presence("response", "batch-response", "transaction-response", "history"),
			"a response in each entry of a batch-response, transaction-response or history, and in no other Bundle"),
		find("bdl-7", fullURLTwice, "a fullUrl that no other entry has, or another meta.versionId"),
		shall("bdl-9", when(is("type", "document"), of("identifier", both("system", "value"))),
			"a document has an identifier with system and value"),
		shall("bdl-10", when(is("type", "document"), of("timestamp", r4.Node.HasValue)), "a document has a timestamp"),
		shall("bdl-11", when(is("type", "document"), startsWith("Composition")), "a document starts with its Composition"),
		shall("bdl-12", when(is("type", "message"), startsWith("MessageHeader")), "a message starts with its MessageHeader"),
		find("bundle-link", linkTwice, "one link of each of self, first, previous, next and last").as(fhir.IssueValue),
		find("bundle-search-id", matchWithoutID, "a resource that a search found has an id").as(fhir.IssueValue),
		find("bundle-fullurl", relativeIn(false), "an absolute URL, urn:uuid: or urn:oid:").as(fhir.IssueValue),
		find("bundle-fullurl", relativeIn(true), "a fullUrl should be an absolute URL").as(fhir.IssueValue).warn(),
	},
	"Bundle.entry": {
		shall("bdl-5", has("resource", "request", "response"), "an entry has a resource, a request or a response"),
		shall("bdl-8", not(versioned), "a fullUrl without a version"),
		should("bundle-id", idAgrees, "a fullUrl should end in the id of its resource, or be urn:uuid: or urn:oid:").as(fhir.IssueValue),
	},
}

var unresolved = rule{
	key: "bundle-reference", code: fhir.IssueInvariant, warning: true,
	right: "an entry of the Bundle should have this fullUrl",
}

// presence finds the entries where the child is absent though the type of the Bundle
// wants it, or there though it does not.
func presence(name string, types ...string) func(r4.Node) []r4.Node {
	wanted := is("type", types...)
	return func(n r4.Node) []r4.Node {
		var wrong []r4.Node
		want := wanted(n)
		for entry := range n.All("entry") {
			if entry.Get(name).Exists() != want {
				wrong = append(wrong, entry)
			}
		}
		return wrong
	}
}

func fullURLTwice(n r4.Node) []r4.Node {
	// A history holds one resource many times, and its versions need not be said.
	if is("type", "history")(n) {
		return nil
	}
	var named []r4.Node
	for entry := range n.All("entry") {
		if entry.Get("fullUrl").Exists() {
			named = append(named, entry)
		}
	}
	return repeats(named, func(entry r4.Node) string {
		return entry.Get("fullUrl").Text() + " " + entry.Get("resource", "meta", "versionId").Text()
	})
}

func linkTwice(n r4.Node) []r4.Node {
	var paging []r4.Node
	for link := range n.All("link") {
		if slices.Contains([]string{"self", "first", "previous", "prev", "next", "last"}, link.Get("relation").Text()) {
			paging = append(paging, link)
		}
	}
	return repeats(paging, func(link r4.Node) string { return link.Get("relation").Text() })
}

func matchWithoutID(n r4.Node) []r4.Node {
	var nameless []r4.Node
	for entry := range n.All("entry") {
		resource, match := entry.Get("resource"), entry.Get("search", "mode").Text() == "match"
		if match && resource.Exists() && resource.Type() != "OperationOutcome" && !resource.Get("id").Exists() {
			nameless = append(nameless, resource)
		}
	}
	return nameless
}

// relativeIn finds the fullUrls that are not absolute, in the answers of a server or in
// all other Bundles. Nobody resolves references within a searchset or a history by
// fullUrl, and published NHS services send relative ones there, so there it is a warning.
func relativeIn(answers bool) func(r4.Node) []r4.Node {
	return func(n r4.Node) []r4.Node {
		if is("type", "searchset", "history")(n) != answers {
			return nil
		}
		var relative []r4.Node
		for entry := range n.All("entry") {
			if url := entry.Get("fullUrl"); url.HasValue() && !strings.Contains(url.Text(), ":") {
				relative = append(relative, url)
			}
		}
		return relative
	}
}

func versioned(entry r4.Node) bool {
	return strings.Contains(entry.Get("fullUrl").Text(), "/_history/")
}

func startsWith(typ string) predicate {
	return func(n r4.Node) bool { return n.Get("entry", "resource").Type() == typ }
}

// idAgrees: the fullUrl of a resource with an id ends in it, unless it is a URN.
// https://hl7.org/fhir/R4/bundle.html#bundle-unique
func idAgrees(entry r4.Node) bool {
	// A URN names the resource for this Bundle alone, so no id can be its end.
	url, id := entry.Get("fullUrl").Text(), entry.Get("resource", "id").Text()
	if url == "" || id == "" || strings.HasPrefix(url, "urn:") {
		return true
	}
	return strings.HasSuffix(url, "/"+id)
}

// surroundings are the Bundles that a resource stands in, from the nearest outwards.
type surroundings struct {
	urns  map[string]bool // the fullUrls that are URNs
	outer *surroundings
}

func surroundingsOf(n r4.Node, outer *surroundings) *surroundings {
	s := &surroundings{urns: map[string]bool{}, outer: outer}
	for entry := range n.All("entry") {
		if url := entry.Get("fullUrl").Text(); strings.HasPrefix(url, "urn:") {
			s.urns[url] = true
		}
	}
	return s
}

// has reports whether an entry of one of the Bundles has the fullUrl.
func (s *surroundings) has(url string) bool {
	for ; s != nil; s = s.outer {
		if s.urns[url] {
			return true
		}
	}
	return false
}

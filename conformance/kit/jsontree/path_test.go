package jsontree

import "testing"

func TestPathSelectsAsFHIRPathDoes(t *testing.T) {
	t.Parallel()
	document, err := ParseJSON([]byte(`{"resourceType":"Bundle","total":2,"entry":[
		{"resource":{"status":"a","code":[{"system":"s","value":"1"},{"system":"t","value":"2"}]}},
		{"resource":{"status":"b","life-satisfaction":7.50}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"total":                               `[2]`,
		"Bundle.total":                        `[2]`,
		"entry.resource.status":               `["a","b"]`,
		"entry[1].resource.life-satisfaction": `[7.50]`,
		"entry.resource.code.where(system='t').value":             `["2"]`,
		"entry.where(resource.code.system = 's').resource.status": `["a"]`,
		"entry[0].resource[0].code[1]":                            `[{"system":"t","value":"2"}]`,
		"entry.where(resource.status='c')":                        `[]`,
		"entry.resource.status.first()":                           `["a"]`,
		"entry.resource.status.last()":                            `["b"]`,
		"entry.count()":                                           `[2]`,
		"entry.resource.code.value.distinct().count()":            `[2]`,
		"nothing.at.all":                                          `[]`,
		"entry[9]":                                                `[]`,
	} {
		p, err := ParsePath(path)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		if got := WriteJSON(append([]any{}, p.Eval(document)...)); got != want {
			t.Errorf("%s: got %s, want %s", path, got, want)
		}
	}
}

func TestPathRefusesWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	for _, path := range []string{
		"", ".", "a.", "a[", "a[x]", "a b",
		"a.where(b)", "a.where(b='c'", "a.where(b='c)", "a.exists()", "a.first(1)",
	} {
		if _, err := ParsePath(path); err == nil {
			t.Errorf("%q was read", path)
		}
	}
}

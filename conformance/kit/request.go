package kit

import (
	"context"
	"io/fs"
	"maps"
	"net/http"
	"path/filepath"
	"slices"
	"strings"

	"caselink.example/conformance/kit/suite"
)

// mediaTypes are those of bodies, by the extension of their template.
var mediaTypes = map[string]string{"": "application/json", ".json": "application/fhir+json", ".xml": "application/fhir+xml"}

// request makes the request that a step describes.
func (r *run) request(ctx context.Context, step suite.Step) (request, error) {
	vs, err := r.vars.with(step.With)
	if err != nil {
		return request{}, err
	}
	method, url, _ := strings.Cut(step.Request, " ") // the suite was checked
	req := request{method: method, withhold: step.WithholdBody, header: http.Header{
		"Accept": {"application/fhir+json, application/json;q=0.9"},
	}}
	if req.url, err = vs.expand(url, asIs); err != nil {
		return req, err
	}
	if req.body, err = r.body(step, vs); err != nil {
		return req, err
	}
	if req.body != nil {
		req.header.Set("Content-Type", mediaTypes[filepath.Ext(step.Template)])
	}

	// After the defaults, which a step may replace; in order, so that NHS numbers that are
	// first met here have the same names in every report.
	for _, name := range slices.Sorted(maps.Keys(step.Headers)) {
		value, err := vs.expand(step.Headers[name], asIs)
		if err != nil {
			return req, err
		}
		req.header.Set(name, value)
	}
	authorization, err := r.sender.authorization(ctx, step)
	if authorization != "" {
		req.header.Set("Authorization", authorization)
	}
	return req, err
}

// body is the body of a step; nil for none.
func (r *run) body(step suite.Step, vs *vars) ([]byte, error) {
	text := step.Body
	if step.Template != "" {
		raw, err := fs.ReadFile(r.files, suite.TemplateFile(step.Template))
		if err != nil {
			return nil, err
		}
		text = string(raw)
	}
	if text == "" {
		return nil, nil
	}

	// Variables before changes: a change compares and sets values, not their names.
	text, err := vs.expand(text, inJSON)
	if err != nil {
		return nil, err
	}
	text, err = changed(text, step.Change, vs)
	return []byte(text), err
}

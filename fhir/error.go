package fhir

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// Code says what kind of refusal an Error is. Each code stands for one R4 issue
// type, one HTTP status and one NHS England error code: see the table kinds.
// Two codes may share an issue type where HTTP distinguishes more than FHIR does.
//
// R4 issue types: https://hl7.org/fhir/R4/valueset-issue-type.html
// NHS codes: https://fhir.nhs.uk/CodeSystem/http-error-codes
type Code string

// The codes, in the order of their HTTP status.
const (
	IssueStructure        Code = "structure"        // 400: not JSON, not XML, not FHIR's shape
	IssueInvalid          Code = "invalid"          // 400: content that cannot be understood
	IssueRequired         Code = "required"         // 400: a required element is missing
	IssueValue            Code = "value"            // 400: an element's value breaks its type
	IssueCodeInvalid      Code = "code-invalid"     // 400: a code outside its required value set
	IssueInvariant        Code = "invariant"        // 400: a rule of the specification is broken
	IssueNotSupported     Code = "not-supported"    // 400: a feature that Caselink does not offer
	IssueLogin            Code = "login"            // 401: no token
	IssueExpired          Code = "expired"          // 401: the token is no longer valid
	IssueSecurity         Code = "security"         // 401: the token does not verify
	IssueUnknown          Code = "unknown"          // 401: issuer or key not known
	IssueForbidden        Code = "forbidden"        // 403: scope or organisation does not allow it
	IssueNotFound         Code = "not-found"        // 404: absent, or another practice's
	IssueMethodNotAllowed Code = "method"           // 405
	IssueNotAcceptable    Code = "not-acceptable"   // 406
	IssueDuplicate        Code = "duplicate"        // 409: the same identity with other content
	IssueConflict         Code = "conflict"         // 409: the state does not allow it
	IssueStale            Code = "stale"            // 412: If-Match names another version
	IssueMultipleMatches  Code = "multiple-matches" // 412: If-None-Exist matches several
	IssueTooLong          Code = "too-long"         // 413
	IssueMediaType        Code = "media-type"       // 415
	IssueBusinessRule     Code = "business-rule"    // 422: sound FHIR that Caselink's rules refuse
	IssueUnacceptable     Code = "unacceptable"     // 422: a value that a business rule refuses
	IssueExtension        Code = "extension"        // 422: an unknown modifier extension
	IssueTooCostly        Code = "too-costly"       // 422
	IssueTooEarly         Code = "too-early"        // 425: the first attempt is still running
	IssuePrecondition     Code = "precondition"     // 428: If-Match is missing
	IssueThrottled        Code = "throttled"        // 429
	IssueException        Code = "exception"        // 500: our fault
	IssueTransient        Code = "transient"        // 503: repeat the identical request
	IssueTimeout          Code = "timeout"          // 504: the outcome is unknown; repeat
)

// kinds is the one table from a code to FHIR, HTTP and the NHS codes. REC_TOO_EARLY
// and REC_TOO_MANY_REQUESTS are used by BaRS prose but not listed in its code system.
var kinds = map[Code]struct {
	issue  string
	status int
	nhs    string
}{
	IssueStructure:        {"structure", http.StatusBadRequest, "REC_BAD_REQUEST"},
	IssueInvalid:          {"invalid", http.StatusBadRequest, "REC_BAD_REQUEST"},
	IssueRequired:         {"required", http.StatusBadRequest, "REC_BAD_REQUEST"},
	IssueValue:            {"value", http.StatusBadRequest, "REC_BAD_REQUEST"},
	IssueCodeInvalid:      {"code-invalid", http.StatusBadRequest, "REC_BAD_REQUEST"},
	IssueInvariant:        {"invariant", http.StatusBadRequest, "REC_BAD_REQUEST"},
	IssueNotSupported:     {"not-supported", http.StatusBadRequest, "REC_BAD_REQUEST"},
	IssueLogin:            {"login", http.StatusUnauthorized, "REC_UNAUTHORIZED"},
	IssueExpired:          {"expired", http.StatusUnauthorized, "REC_UNAUTHORIZED"},
	IssueSecurity:         {"security", http.StatusUnauthorized, "REC_UNAUTHORIZED"},
	IssueUnknown:          {"unknown", http.StatusUnauthorized, "REC_UNAUTHORIZED"},
	IssueForbidden:        {"forbidden", http.StatusForbidden, "REC_FORBIDDEN"},
	IssueNotFound:         {"not-found", http.StatusNotFound, "REC_NOT_FOUND"},
	IssueMethodNotAllowed: {"not-supported", http.StatusMethodNotAllowed, "REC_METHOD_NOT_ALLOWED"},
	IssueNotAcceptable:    {"not-supported", http.StatusNotAcceptable, "REC_NOT_ACCEPTABLE"},
	IssueDuplicate:        {"duplicate", http.StatusConflict, "REC_CONFLICT"},
	IssueConflict:         {"conflict", http.StatusConflict, "REC_CONFLICT"},
	IssueStale:            {"conflict", http.StatusPreconditionFailed, "REC_CONFLICT"},
	IssueMultipleMatches:  {"multiple-matches", http.StatusPreconditionFailed, "REC_CONFLICT"},
	IssueTooLong:          {"too-long", http.StatusRequestEntityTooLarge, "REC_BAD_REQUEST"},
	IssueMediaType:        {"not-supported", http.StatusUnsupportedMediaType, "REC_UNSUPPORTED_MEDIA_TYPE"},
	IssueBusinessRule:     {"business-rule", http.StatusUnprocessableEntity, "REC_UNPROCESSABLE_ENTITY"},
	IssueUnacceptable:     {"value", http.StatusUnprocessableEntity, "REC_UNPROCESSABLE_ENTITY"},
	IssueExtension:        {"extension", http.StatusUnprocessableEntity, "REC_UNPROCESSABLE_ENTITY"},
	IssueTooCostly:        {"too-costly", http.StatusUnprocessableEntity, "REC_UNPROCESSABLE_ENTITY"},
	IssueTooEarly:         {"transient", http.StatusTooEarly, "REC_TOO_EARLY"},
	IssuePrecondition:     {"required", http.StatusPreconditionRequired, "REC_BAD_REQUEST"},
	IssueThrottled:        {"throttled", http.StatusTooManyRequests, "REC_TOO_MANY_REQUESTS"},
	IssueException:        {"exception", http.StatusInternalServerError, "REC_SERVER_ERROR"},
	IssueTransient:        {"transient", http.StatusServiceUnavailable, "REC_UNAVAILABLE"},
	IssueTimeout:          {"timeout", http.StatusGatewayTimeout, "REC_TIMEOUT"},
}

// SystemErrorCode is NHS England's code system for refusals.
const SystemErrorCode = "https://fhir.nhs.uk/CodeSystem/http-error-codes"

// MaxIssues is how many faults one OperationOutcome reports; the rest are counted.
const MaxIssues = 50

// Error is one refusal. Its Diagnostics may be read by the client, so they hold
// no patient data; its cause is for the log alone.
type Error struct {
	Code        Code
	Diagnostics string
	Expression  string // FHIRPath of the element, such as ServiceRequest.subject; "" for none
	Rule        string // the rule's id, such as obs-7; "" for none
	Warning     bool   // reported, but no reason to refuse
	cause       error
}

// Errorf returns an Error whose diagnostics a client may read.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Diagnostics: fmt.Sprintf(format, args...)}
}

// At names the element at fault by its FHIRPath.
func (e *Error) At(expression string) *Error { e.Expression = expression; return e }

// Breaks names the rule that is broken, by the key that the specification prints.
func (e *Error) Breaks(rule string) *Error { e.Rule = rule; return e }

// Because keeps what went wrong inside; no client ever sees it.
func (e *Error) Because(cause error) *Error { e.cause = cause; return e }

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(string(e.Code))
	if e.Expression != "" {
		b.WriteString(" at " + e.Expression)
	}
	b.WriteString(": " + e.Diagnostics)
	if e.cause != nil {
		b.WriteString(": " + e.cause.Error())
	}
	return b.String()
}

func (e *Error) Unwrap() error { return e.cause }

// Status is the HTTP status of the refusal.
func (e *Error) Status() int {
	if k, ok := kinds[e.Code]; ok {
		return k.status
	}
	return http.StatusInternalServerError
}

// Errors are all faults of one payload.
type Errors []*Error

func (es Errors) Error() string {
	texts := make([]string, len(es))
	for i, e := range es {
		texts[i] = e.Error()
	}
	return strings.Join(texts, "; ")
}

// OrNil returns the errors as an error, or nil when no one of them is a reason to refuse.
func (es Errors) OrNil() error {
	if slices.ContainsFunc(es, func(e *Error) bool { return !e.Warning }) {
		return es
	}
	return nil
}

// OrNone returns the errors as an error, warnings too, or nil when there are none.
func (es Errors) OrNone() error {
	if len(es) == 0 {
		return nil
	}
	return es
}

// ErrorsOf returns the faults that err stands for: those of the outermost Errors or
// Error, for what lies behind one is its cause and no client's business. An error of
// another type is one exception that says nothing to the client.
func ErrorsOf(err error) Errors {
	for e := err; e != nil; e = errors.Unwrap(e) {
		switch e := e.(type) {
		case Errors:
			return e
		case *Error:
			return Errors{e}
		}
	}
	return Errors{Errorf(IssueException, "internal error").Because(err)}
}

// Is reports whether err is a refusal with the code.
func Is(err error, code Code) bool {
	return err != nil && slices.ContainsFunc(ErrorsOf(err), func(e *Error) bool { return e.Code == code })
}

// Status is the HTTP status for err: 5xx before 401 and 403, before the other 4xx
// in their numeric order, so that a payload that is not sound FHIR is 400 even when
// it also breaks a business rule.
func Status(err error) int {
	status := 0
	for _, e := range ErrorsOf(err) {
		if s := e.Status(); !e.Warning && (status == 0 || s >= 500 || s < status && status < 500) {
			status = s
		}
	}
	if status == 0 {
		return http.StatusOK
	}
	return status
}

type issueCoding struct {
	System  string `json:"system"`
	Code    string `json:"code"`
	Display string `json:"display,omitempty"`
}

type issueDetails struct {
	Coding []issueCoding `json:"coding,omitempty"`
	Text   string        `json:"text,omitempty"`
}

type issue struct {
	Severity    string       `json:"severity"`
	Code        string       `json:"code"`
	Details     issueDetails `json:"details"`
	Diagnostics string       `json:"diagnostics,omitempty"`
	Expression  []string     `json:"expression,omitempty"`
}

type operationOutcome struct {
	ResourceType string  `json:"resourceType"`
	Issue        []issue `json:"issue"`
}

// OperationOutcome renders err as the JSON of an OperationOutcome. A nil err is one
// informational issue. See https://hl7.org/fhir/R4/operationoutcome.html
func OperationOutcome(err error) []byte {
	out := operationOutcome{ResourceType: "OperationOutcome"}
	if err == nil {
		out.Issue = []issue{{Severity: "information", Code: "informational", Details: issueDetails{Text: "All OK"}}}
		return mustJSON(out)
	}
	es := ErrorsOf(err)
	for i, e := range es {
		if i == MaxIssues {
			out.Issue = append(out.Issue, issue{
				Severity: "information", Code: "informational",
				Details: issueDetails{Text: fmt.Sprintf("%d more faults are not shown", len(es)-i)},
			})
			break
		}
		out.Issue = append(out.Issue, issueOf(e))
	}
	return mustJSON(out)
}

func issueOf(e *Error) issue {
	k, ok := kinds[e.Code]
	if !ok {
		k = kinds[IssueException]
	}
	out := issue{Severity: "error", Code: k.issue, Diagnostics: e.Diagnostics}
	if e.Warning {
		out.Severity = "warning"
	} else {
		out.Details.Coding = append(out.Details.Coding, issueCoding{
			System: SystemErrorCode, Code: k.nhs, Display: fmt.Sprintf("%d: %s", k.status, http.StatusText(k.status)),
		})
	}
	if e.Rule != "" {
		out.Details.Coding = append(out.Details.Coding, issueCoding{System: Canonical + "/CodeSystem/rule", Code: e.Rule})
	}
	if e.Expression != "" {
		out.Expression = []string{e.Expression}
	}
	return out
}

func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // plain structs of strings always marshal
	}
	return b
}

package gpfhir

import (
	"net/http"

	"caselink.example/connectors/httpclient"
	"caselink.example/fhir"
)

// refused is the error for an answer that is no success: a transient one when the
// same bytes may be taken later, else one for a person. It quotes the status and
// the issue codes and nothing that the GP system wrote.
func (x exchange) refused(resp httpclient.Response, err error) error {
	if resp.Status == 0 {
		return err
	}
	answer, _ := parse(resp.Body)
	says := "the GP system answered %d" + answer.codes()
	switch s := resp.Status; {
	case s == http.StatusTooEarly:
		return fhir.Errorf(fhir.IssueTooEarly, says, s)
	case s == http.StatusTooManyRequests:
		return fhir.Errorf(fhir.IssueThrottled, says, s)
	case s == http.StatusRequestTimeout, s < 400, s >= 500:
		return x.transient(says, s)
	case s == http.StatusUnauthorized, s == http.StatusForbidden:
		if x.item.Attempt < x.cfg.AuthAttempts {
			return x.transient(says, s)
		}
		return x.final(code(s), says+" to our credentials", s)
	}
	return x.final(code(resp.Status), says, resp.Status)
}

// code is the issue that a refusal for good stands for.
func code(status int) fhir.Code {
	switch status {
	case http.StatusUnauthorized:
		return fhir.IssueLogin
	case http.StatusForbidden:
		return fhir.IssueForbidden
	case http.StatusNotFound, http.StatusGone:
		return fhir.IssueNotFound
	case http.StatusUnprocessableEntity:
		return fhir.IssueBusinessRule
	}
	return fhir.IssueInvalid
}

func (x exchange) transient(format string, args ...any) error {
	return fhir.Errorf(fhir.IssueTransient, format, args...).At(x.item.ResourceType)
}

func (x exchange) final(code fhir.Code, format string, args ...any) error {
	return fhir.Errorf(code, format+": settle it with the practice, then replay", args...).At(x.item.ResourceType)
}

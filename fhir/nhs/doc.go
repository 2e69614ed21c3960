// Package nhs is the identity that the NHS gives to people, organisations and
// concepts: NHS numbers, ODS codes and SNOMED CT identifiers, parsed once at the
// edge, and the systems that name them. A value of one of its types has passed its
// check, so nobody behind the edge checks it again. No error of this package quotes the
// value that it refuses.
// docs/words.md defines practice, identifier and coding.
package nhs

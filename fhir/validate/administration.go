package validate

// administration are the rules of people, organisations, places and appointments.
var administration = map[string][]rule{
	"Appointment": {
		shall("app-2", together("start", "end"), "start and end, or neither"),
		shall("app-3", either(both("start", "end"), is("status", "proposed", "cancelled", "waitlist")),
			"start and end, unless the appointment is proposed, cancelled or on the waitlist"),
		shall("app-4", when(has("cancelationReason"), is("status", "no-show", "cancelled")),
			"a cancelationReason for a cancelled appointment or a no-show only"),
	},
	"Appointment.participant": {
		shall("app-1", has("type", "actor"), "a participant has a type or an actor"),
	},
	"AppointmentResponse": {
		shall("apr-1", has("participantType", "actor"), "a participantType or an actor"),
	},
	"Group": {
		shall("grp-1", when(has("member"), is("actual", "true")), "members in an actual group only"),
	},
	"Organization": {
		shall("org-1", has("identifier", "name"), "an organisation has a name or an identifier"),
	},
	"Organization.address": {
		shall("org-2", not(is("use", "home")), "an organisation has no home address"),
	},
	"Organization.telecom": {
		shall("org-3", not(is("use", "home")), "an organisation has no home number"),
	},
	"Patient.contact": {
		shall("pat-1", has("name", "telecom", "address", "organization"), "a contact has a name, a telecom, an address or an organisation"),
	},
}

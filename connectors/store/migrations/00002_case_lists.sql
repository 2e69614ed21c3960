-- +goose Up

-- A worklist of one status reads its page from here. Without it a status that few cases
-- have, such as needs-information, is looked for among all cases of the service.
create index cases_by_status on caselink.cases (service, status, received_at desc, id desc);

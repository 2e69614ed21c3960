-- +goose Up

-- What an app writes hangs on a referral that its service works. The service in the row
-- alone proves nothing: an app could have put its own beside another practice's referral,
-- and a version of it would have been served. The look-up sees what the app sees of the
-- referrals, which their own policy bounds.
-- +goose StatementBegin
do $$
declare t text;
begin
  foreach t in array array['versions', 'events', 'lanes', 'owed'] loop
    execute format($p$alter policy app on caselink.%1$I
      with check (service = any (string_to_array(current_setting('caselink.services', true), ',')) and exists (
        select from caselink.referrals r where r.holder = %1$I.holder and r.id = %1$I.referral and r.service = %1$I.service))$p$, t);
  end loop;
end $$;
-- +goose StatementEnd

-- A Change moves these columns and no others: whose a referral is, and when it came, stay.
revoke update on caselink.referrals, caselink.cases, caselink.lanes from caselink_gp, caselink_app;
grant update (seq) on caselink.referrals to caselink_gp, caselink_app;
grant update (task_version, service, status, needs, updated_at, doc) on caselink.cases to caselink_gp, caselink_app;
grant update (last, next_at, fence, parked, withhold) on caselink.lanes to caselink_gp, caselink_app;

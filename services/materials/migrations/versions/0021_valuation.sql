-- Periods: what is effective before the end of a closed one is refused. Values: what changes them beside entries.

-- the end of what is closed, and the first day that is open
create function closed_until(p_site text, out end_time timestamptz, out open_date text) language sql stable as $$
  select p.end_time, (p.close_date + 1)::text from ledger_period p
  where p.site = p_site and p.state in ('CLOSING', 'CLOSED') order by p.end_time desc limit 1
$$;

-- what an exit at a given value left without quantity to carry it belongs to its entry
create function note_variance() returns trigger language plpgsql security definer set search_path = public, pg_temp as $$
begin
  insert into value_variance (site, item, sequence, amount)
  values (new.site, new.item, new.sequence, new.variance - old.variance);
  return null;
end $$;

create trigger value_balance_varied after update of variance on value_balance for each row
when (new.variance <> old.variance and new.sequence <> old.sequence) execute function note_variance();

-- movements of any number of lines, each whole or not at all; each sees those before it. The caller holds what they
-- need (hold_for_postings): nobody else changes balances of these items meanwhile
create or replace function post_held(p_site text, p_actor text, p_postings jsonb)
returns table (posting text, outcome text, line int, available numeric, subject text, effective timestamptz,
               worths numeric[], currency text)
language plpgsql security definer set search_path = public, pg_temp as $$
declare
  d record;
  p posting_line;
  lines posting_line[];
  r record;
  at timestamptz;
  closed record;
begin
  select * into closed from closed_until(p_site);
  for d in
    select * from jsonb_to_recordset(p_postings) as x(
      n int, name text, kind text, effective_time timestamptz, reason_code text, source text, reverses text,
      correlation text, device text, lines jsonb)
    order by n
  loop
    posting := d.name;
    outcome := null;
    line := 1;
    available := 0;
    subject := '';
    worths := '{}';
    currency := '';
    -- taken after the locks: of two postings on one key the later one is also effective later
    at := coalesce(d.effective_time, clock_timestamp());
    effective := at;
    lines := array(select l from posting_lines(d.lines) l);

    if at < closed.end_time then
      outcome := 'PERIOD_CLOSED';
      subject := closed.open_date;
      return next;
      continue;
    end if;

    if d.reverses <> '' and exists (
      select 1 from movement m where m.reverses = d.reverses and m.reverses <> ''
    ) then
      outcome := 'ALREADY_REVERSED';
      return next;
      continue;
    end if;

    if cardinality(lines) = 1 then
      p := lines[1];
      r := post_line(p_site, d.name, d.kind, d.reverses, at, d.effective_time is not null, p);
      currency := r.currency;
      if r.outcome is null then
        insert into movement (name, site, version, event_version, correlation, create_time, update_time, kind, item,
                              lot, serial, from_location, to_location, from_status, to_status, quantity, unit_code,
                              effective_time, record_time, reason_code, source, actor, device, reverses, xid, cost,
                              cost_currency_code)
        values (d.name, p_site, 1, 0, d.correlation, now(), now(), d.kind, p.item, p.lot, p.serial, p.from_location,
                p.to_location, p.from_status, p.to_status, p.quantity, p.unit_code, at, clock_timestamp(),
                d.reason_code, d.source, p_actor, coalesce(d.device, ''), d.reverses, pg_current_xact_id()::text::bigint, r.worth,
                r.currency);
        perform enter_line(p_site, d.name, 1, at, p, r.from_key, r.to_key, r.worth, r.sequence);
        worths := array[r.worth];
        outcome := 'POSTED';
      else
        outcome := r.outcome;
        available := r.available;
        subject := r.subject;
      end if;
    else
      begin
        insert into movement (name, site, version, event_version, correlation, create_time, update_time, kind, item,
                              lot, serial, from_location, to_location, from_status, to_status, quantity, unit_code,
                              effective_time, record_time, reason_code, source, actor, device, reverses, xid,
                              cost_currency_code)
        values (d.name, p_site, 1, 0, d.correlation, now(), now(), d.kind, '', '', '', '', '', 'UNRESTRICTED',
                'UNRESTRICTED', 0, '', at, clock_timestamp(), d.reason_code, d.source, p_actor,
                coalesce(d.device, ''), d.reverses, pg_current_xact_id()::text::bigint,
                coalesce((select s.currency_code from site_fact s where s.name = 'sites/' || p_site), ''));
        for number in 1 .. cardinality(lines) loop
          line := number;
          p := lines[number];
          r := post_line(p_site, d.name, d.kind, d.reverses, at, d.effective_time is not null, p);
          if r.outcome is not null then
            raise exception 'refused' using errcode = 'PL001';
          end if;
          perform enter_line(p_site, d.name, number, at, p, r.from_key, r.to_key, r.worth, r.sequence);
          worths := worths || array[r.worth];
          currency := case when r.currency <> '' then r.currency else currency end;
        end loop;
        outcome := 'POSTED';
      exception when sqlstate 'PL001' then
        outcome := r.outcome;
        available := r.available;
        subject := r.subject;
        worths := '{}';
      end;
    end if;
    return next;
  end loop;
end $$;

-- corrections of value, each a movement without quantity; the caller holds the items
create function post_revaluations(p_site text, p_actor text, p_rows jsonb)
returns table (movement text, effective timestamptz)
language plpgsql security definer set search_path = public, pg_temp as $$
#variable_conflict use_column
begin
  perform hold_items(p_site, array(select distinct x ->> 'item' from jsonb_array_elements(p_rows) x));
  perform pg_advisory_xact_lock_shared(place_key(p_site));

  insert into movement (name, site, version, event_version, correlation, create_time, update_time, kind, item, lot,
                        serial, from_location, to_location, from_status, to_status, quantity, unit_code,
                        effective_time, record_time, reason_code, source, actor, device, reverses, xid, cost,
                        cost_currency_code)
  select r.movement, p_site, 1, 0, r.correlation, now(), now(), 'REVALUE', r.item, '', '', '', '', 'UNRESTRICTED',
         'UNRESTRICTED', 0, '', clock_timestamp(), clock_timestamp(), r.reason_code, r.source, p_actor, '', '',
         pg_current_xact_id()::text::bigint, r.value, r.currency_code
  from jsonb_to_recordset(p_rows) r(movement text, item text, correlation text, reason_code text, source text,
                                    value numeric, currency_code text);

  insert into revaluation (movement, site, item, cause, effective_time, record_time, since, value, variance,
                           currency_code, issues)
  select r.movement, p_site, r.item, r.cause, m.effective_time, m.record_time, coalesce(r.since, m.effective_time),
         r.value, r.variance, r.currency_code, r.issues
  from jsonb_to_recordset(p_rows) r(movement text, item text, cause text, since timestamptz, value numeric,
                                    variance numeric, currency_code text, issues text[])
  join movement m on m.name = r.movement;

  update value_balance b set value = b.value + d.value, variance = b.variance + d.variance
  from (select r.item, sum(r.value) as value, sum(r.variance) as variance
        from jsonb_to_recordset(p_rows) r(item text, value numeric, variance numeric) group by r.item) d
  where b.site = p_site and b.item = d.item;

  return query select m.name, m.effective_time from movement m
  where m.name in (select x ->> 'movement' from jsonb_array_elements(p_rows) x);
end $$;

revoke all on function closed_until(text) from public;
revoke all on function note_variance() from public;
revoke all on function post_revaluations(text, text, jsonb) from public;
grant execute on function post_revaluations(text, text, jsonb) to materials_app;

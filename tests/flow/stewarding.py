"""Stewards at work over HTTP: the operations on links, and all that a search shows of a region."""

import orjson

from tests.flow.doors import W


def named(name, patient):
    """A parameter that refers to a Patient (a resource, or ``system|value``)."""
    if isinstance(patient, str):
        system, _, value = patient.partition("|")
        return {"name": name, "valueIdentifier": {"system": system, "value": value}}
    return {"name": name, "valueReference": {"reference": f"Patient/{patient['id']}"}}


def parameters(*parts):
    return {"resourceType": "Parameters", "parameter": list(parts)}


def deciding(*parts, who="jo", why="They said so."):
    """The Parameters of a decision."""
    said = [{"name": name, "valueString": value} for name, value in (("steward", who), ("reason", why)) if value]
    return parameters(*parts, *said)


class Steward:
    """A steward before one region's FHIR door."""

    def __init__(self, weald):
        self.weald = weald
        self._http = weald._http

    def post(self, path, body, **headers):
        """POST under /fhir, as (status, JSON)."""
        data = body if isinstance(body, bytes) else orjson.dumps(body)
        response = self._http.post(f"/fhir/{path}", data=data, headers={"Content-Type": "application/fhir+json", **headers})
        return response.status_code, orjson.loads(response.data)

    def done(self, path, *parts, **said):
        """A decision that must be taken: the id of its Provenance."""
        status, body = self.post(path, deciding(*parts, **said))
        assert status == 200, body
        assert body["resourceType"] == "Parameters"
        return body["parameter"][0]["valueReference"]["reference"].removeprefix("Provenance/")

    def refused(self, path, *parts, **said):
        """A decision that must be refused: (status, issue code)."""
        status, body = self.post(path, deciding(*parts, **said))
        assert body["resourceType"] == "OperationOutcome", body
        return status, body["issue"][0]["code"]

    def link(self, first, second):
        return self.done("Patient/$link", named("record", first), named("record", second))

    def unlink(self, first, second):
        return self.done("Patient/$unlink", named("record", first), named("record", second))

    def merge(self, first, second):
        return self.done("Patient/$merge", named("person", first), named("person", second))

    def split(self, person, *records):
        return self.done("Patient/$split", named("person", person), *(named("record", one) for one in records))

    def undo(self, provenance):
        return self.done("Patient/$undo", {"name": "provenance", "valueReference": {"reference": f"Provenance/{provenance}"}})

    def settle(self, task, outcome):
        return self.done(f"Task/{task['id']}/$settle", {"name": "outcome", "valueCode": outcome})

    def match(self, patient, **more):
        """(entries of matches, texts of outcomes) of $match."""
        body = parameters({"name": "resource", "resource": {"resourceType": "Patient", **patient}}, *({"name": name, **value} for name, value in more.items()))
        status, bundle = self.post("Patient/$match", body)
        assert status == 200, bundle
        entries = bundle.get("entry", [])
        told = [issue["details"]["text"] for one in entries if one["search"]["mode"] == "outcome" for issue in one["resource"]["issue"]]
        return [one for one in entries if one["search"]["mode"] == "match"], told


def grade(entry):
    return next(one["valueCode"] for one in entry["search"]["extension"] if one["url"].endswith("/match-grade"))


def content(resource):
    """A resource without its version."""
    return {**resource, "meta": {key: value for key, value in resource["meta"].items() if key not in ("versionId", "lastUpdated")}}


def everything(weald, records):
    """All that shows who belongs together: golden and source patients, and what a search by each record finds, at each floor."""
    patients = {one["id"]: content(one) for one in weald.found("Patient?_tag=source,golden") if one["active"]}
    studies = {
        (id, floor): [
            (entry["resource"]["id"], entry["search"])
            for entry in weald.get(f"ImagingStudy?patient=Patient/{id}&-min-grade={floor}").get("entry", [])
            if entry["search"]["mode"] == "match"
        ]
        for id in records
        for floor in ("certain", "probable", "possible")
    }
    persons = {id: weald.golden({"id": id})["id"] for id in records}
    tasks = sorted((one["code"]["coding"][0]["code"], one["for"]["reference"]) for one in weald.tasks())
    return patients, studies, persons, tasks


__all__ = ["Steward", "W", "content", "deciding", "everything", "grade", "named", "parameters"]

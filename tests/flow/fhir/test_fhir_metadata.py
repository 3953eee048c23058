"""The CapabilityStatement says what the code does, because it is made from the table that the code runs on."""

from fhir.resources.R4B.capabilitystatement import CapabilityStatement

from app.search.params import PARAMETERS


def test_the_capability_statement_is_valid_and_of_r4(client):
    statement = client.get("/fhir/metadata").json
    CapabilityStatement.model_validate(statement)
    assert statement["fhirVersion"] == "4.0.1"
    assert statement["format"] == ["application/fhir+json", "json"]
    assert statement["implementation"]["url"] == "http://localhost/fhir"


def test_every_parameter_named_is_searchable(client):
    for resource in client.get("/fhir/metadata").json["rest"][0]["resource"]:
        assert {param["name"] for param in resource["searchParam"]} == set(PARAMETERS[resource["type"]])
        for param in resource["searchParam"]:
            value = {"date": "2024", "token": "x", "string": "x", "reference": "x", "uri": "urn:x"}[param["type"]]
            response = client.get(f"/fhir/{resource['type']}?{param['name']}={value}&_count=1")
            assert response.status_code == 200, (resource["type"], param["name"])


def test_every_include_named_is_taken(client):
    for resource in client.get("/fhir/metadata").json["rest"][0]["resource"]:
        for name, offered in (("_include", resource["searchInclude"]), ("_revinclude", resource["searchRevInclude"])):
            for value in offered:
                assert client.get(f"/fhir/{resource['type']}?{name}={value}").status_code == 200, value


def test_metadata_is_not_sent_twice(client):
    first = client.get("/fhir/metadata")
    again = client.get("/fhir/metadata", headers={"If-None-Match": first.headers["ETag"]})
    assert again.status_code == 304
    assert again.data == b""
    assert client.get("/fhir/metadata?_format=xml").status_code == 406
    assert first.headers["Cache-Control"] == "max-age=300"

"""Certificates for tests of TLS: an authority, a server, a client."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


def make_certificates(folder):
    """A certificate authority, and by it a server and a client certificate."""

    def write(name: str, subject: str, issuer: tuple[x509.Name, ec.EllipticCurvePrivateKey] | None, *names: str):
        key = ec.generate_private_key(ec.SECP256R1())
        own = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, subject)])
        signer = issuer or (own, key)
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(own).issuer_name(signer[0]).public_key(key.public_key()).serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        )  # fmt: skip
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(one) for one in names]), critical=False)
        (folder / f"{name}.pem").write_bytes(builder.sign(signer[1], hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
        (folder / f"{name}.key").write_bytes(
            key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        )
        return own, key

    authority = write("ca", "Test authority", None)
    write("weald", "localhost", authority, "localhost")
    write("feed", "PAS", authority, "pas.rtk.example")
    return folder

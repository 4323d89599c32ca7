// SPDX-License-Identifier: Apache-2.0
import AgentAPI
import AgentIPC
import FoundationEssentials
import Hummingbird
import Logging

/// What a request of the API carries: Hummingbird's own, with room for a long list of containers to keep.
struct APIContext: RequestContext {
    var coreContext: CoreRequestContextStorage

    init(source: ApplicationRequestContextSource) {
        coreContext = CoreRequestContextStorage(source: source)
    }

    var maxUploadSize: Int { 8 << 20 }

    /// A part of the path that stands for a name, decoded.
    func name(_ parameter: String) throws -> String {
        guard let name = APIPath.decode(try parameters.require(parameter)), !name.isEmpty else {
            throw APIError(code: APIError.Code.badRequest, message: "the path's {\(parameter)} is not a name")
        }
        return name
    }
}

/// A reply with a JSON body.
func jsonResponse(_ value: some Encodable, status: HTTPResponse.Status = .ok) throws -> Response {
    jsonResponse(ByteBuffer(bytes: try JSONText.encode(value)), status: status)
}

/// `jsonResponse` for what the plugin waits for: Codable would take longer than all the rest of answering it.
func jsonResponse(_ value: JSONValue) -> Response {
    jsonResponse(ByteBuffer(bytes: value.bytes), status: .ok)
}

private func jsonResponse(_ body: ByteBuffer, status: HTTPResponse.Status) -> Response {
    Response(
        status: status, headers: [.contentType: "application/json", .contentLength: "\(body.readableBytes)"],
        body: ResponseBody(byteBuffer: body))
}

extension Request {
    /// The JSON body. What is wrong with it is told by field.
    @concurrent
    func json<Body: JSONConvertible>(_ type: Body.Type, _ context: APIContext) async throws -> Body {
        try decode(type, try await bytes(upTo: context.maxUploadSize))
    }

    /// `json`; nil if there is no body.
    @concurrent
    func optionalJSON<Body: JSONConvertible>(_ type: Body.Type, _ context: APIContext) async throws -> Body? {
        let bytes = try await bytes(upTo: context.maxUploadSize)
        return bytes.isEmpty ? nil : try decode(type, bytes)
    }

    private func decode<Body: JSONConvertible>(_ type: Body.Type, _ bytes: [UInt8]) throws(APIError) -> Body {
        do throws(JSONError) {
            return try Body(json: try JSONValue(parsing: bytes))
        } catch {
            throw APIError(code: APIError.Code.badRequest, message: "the request's body: \(error)")
        }
    }
}

extension Request {
    /// The body, of which no more is read than that, whatever its header says.
    @concurrent
    private func bytes(upTo limit: Int) async throws -> [UInt8] {
        var bytes: [UInt8] = []
        for try await part in body {
            guard bytes.count + part.readableBytes <= limit else {
                throw APIError(
                    code: APIError.Code.tooLarge, message: "the request's body is larger than \(limit >> 20) MiB")
            }
            bytes += part.readableBytesView
        }
        return bytes
    }
}

/// Turns whatever a route throws into the API's error body, and logs what is the agent's own fault.
struct APIErrorMiddleware: RouterMiddleware {
    typealias Context = APIContext

    let logger: Logger

    @concurrent
    func handle(
        _ request: Request, context: APIContext, next: @concurrent (Request, APIContext) async throws -> Response
    ) async throws -> Response {
        do {
            return try await next(request, context)
        } catch {
            let apiError = apiError(for: error, path: request.uri.path)
            if apiError.code == APIError.Code.internal || apiError.code == APIError.Code.kernel {
                logger.error(
                    "request failed",
                    metadata: ["request.path": "\(request.uri.path)", "error": "\(apiError.message)"])
            }
            return try jsonResponse(ErrorBody(error: apiError), status: status(of: apiError))
        }
    }

    private func apiError(for error: any Error, path: String) -> APIError {
        switch error {
        case let error as APIError: error
        case let error as HTTPError where error.status == .notFound:
            APIError(code: APIError.Code.notFound, message: "the agent's API has no path \(path)")
        case let error as HTTPError:
            APIError(code: APIError.Code.badRequest, message: error.body ?? error.status.reasonPhrase)
        case is CancellationError:
            APIError(code: APIError.Code.notReady, message: "the agent is stopping", retryable: true)
        default: APIError(code: APIError.Code.internal, message: "\(error)", retryable: true)
        }
    }

    private func status(of error: APIError) -> HTTPResponse.Status {
        switch error.code {
        case APIError.Code.badRequest: .badRequest
        case APIError.Code.notFound: .notFound
        case APIError.Code.tooLarge: .contentTooLarge
        case APIError.Code.conflict: .conflict
        case APIError.Code.notReady: .serviceUnavailable
        case APIError.Code.exhausted: HTTPResponse.Status(code: 507, reasonPhrase: "Insufficient Storage")
        default: .internalServerError
        }
    }
}
